import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export type Environment = 'sandbox' | 'production';

/** 192 random bits: nobody guesses them, so that a fast keyed hash is enough to keep them. */
const SECRET_BYTES = 24;
const ID_BYTES = 8;
const CHECKSUM_LENGTH = 8;

export interface NewApiKey {
  /** Public; names its environment and its client: tgk_sandbox_3_0123456789abcdef. */
  readonly id: string;
  /** Shown once: tgs_sandbox_, 48 hexadecimal digits, and 8 that check them. */
  readonly secret: string;
}

/** A new key from random bytes; nothing of it is kept here. */
export function makeApiKey(of: {
  readonly clientId: number; readonly environment: Environment;
}): NewApiKey {
  const random = randomBytes(SECRET_BYTES).toString('hex');
  return {
    id: `tgk_${of.environment}_${of.clientId}_${randomBytes(ID_BYTES).toString('hex')}`,
    secret: `tgs_${of.environment}_${random}${checksum(random)}`,
  };
}

/** The client that an id names; null where it is no id of this environment. */
export function clientOfApiKey(id: string, environment: Environment): number | null {
  const [, named, clientId] = /^tgk_([a-z]+)_([1-9][0-9]{0,14})_[0-9a-f]{16}$/.exec(id) ?? [];
  return named === environment && clientId !== undefined ? Number(clientId) : null;
}

/** Whether a text has the form of a secret of ours: what a scanner of leaked text asks. */
export function isApiSecret(text: string): boolean {
  const [, random = '', check = ''] = /^tgs_[a-z]+_([0-9a-f]{48})([0-9a-f]{8})$/.exec(text) ?? [];
  return random !== '' && checksum(random) === check;
}

/** What of a secret may be shown again: enough to tell it from others. */
export function secretPrefix(secret: string): string {
  return secret.slice(0, secret.lastIndexOf('_') + 5);
}

/** What is kept of a secret: without the key it can be neither used nor checked. */
export function hashApiSecret(secret: string, hashingKey: string): string {
  return createHmac('sha256', hashingKey).update(`api-secret:${secret}`).digest('hex');
}

/** Compares in a time that depends on neither text. */
export function areSecretsEqual(one: string, other: string): boolean {
  // timingSafeEqual throws where lengths differ; digests have one length.
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function checksum(random: string): string {
  return createHash('sha256').update(random).digest('hex').slice(0, CHECKSUM_LENGTH);
}
