import { isInNetworks, type Network } from './network.ts';
import type { RateFigures } from './rate-limits.ts';

/** What a key may do: see everything of its client; place, cancel and change its orders. */
export const SCOPES = ['read', 'orders:write'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a token was given for. */
export interface Grant {
  readonly clientId: number;
  readonly scopes: readonly Scope[];
  /** Refused once the client's tokens are of a higher one. */
  readonly generation: number;
  /** The key that was shown at login; null where an operator gave the token. */
  readonly keyId: string | null;
  /** All tokens that one login led to. */
  readonly familyId: string | null;
}

/** A token that we signed and that has not ended. Whether it still counts is another question. */
export interface AccessToken extends Grant {
  readonly tokenId: string;
  /** Milliseconds since the epoch; how long what it opens may last. */
  readonly expiresAtMs: number;
}

/** Who called, with what, from where. */
export interface Caller extends AccessToken {
  readonly address: string;
}

/** How a client stands now. */
export interface Standing {
  readonly isActive: boolean;
  readonly generation: number;
  /** From where the client may call; none: from anywhere. */
  readonly networks: readonly Network[];
  /** Figures that differ from everybody's; null where nothing is counted. */
  readonly rates: Partial<RateFigures> | null;
}

/** What every process keeps in memory, seconds old at most. */
export interface Standings {
  of(clientId: number): Standing | undefined;
  /** Ids of keys, families and tokens that were taken back. */
  isRevoked(id: string): boolean;
  /** Reads what changed; resolves when it is known. */
  refresh(): Promise<void>;
  /**
   * Whether nobody has begun to look for longer than revocations may take, as in a process that was
   * stopped and goes on: what it knows may be of any age.
   */
  hasSlept(): boolean;
  /** Tells of changes, whoever made them; answers how to stop listening. */
  onChange(listener: () => void): () => void;
}

/** The caller is known and may not do this. `message` is safe to show. */
export class Forbidden extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Forbidden';
  }
}

/** The caller is not known. `message` is safe to show, and the same for every kind of fault. */
export class Unauthenticated extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Unauthenticated';
  }
}

/**
 * The one check of all doors: of the Authorization header, and where the caller is. Null for every
 * kind of fault of the token alike.
 */
export type Authenticate = (shown: {
  readonly authorization: string | undefined;
  readonly address: string;
}) => Promise<Caller | null>;

/** What the doors know of who may come in. */
export interface Access {
  readonly authenticate: Authenticate;
  /** Whether what admitted a caller still holds; asked again when `onAccessChange` tells. */
  readonly isStillAdmitted: (caller: Caller) => boolean;
  /** Answers how to stop listening. */
  readonly onAccessChange: (listener: () => void) => () => void;
  /** Before anything begins for a caller who was admitted earlier: a process may have slept. */
  readonly catchUp: () => Promise<void>;
}

/** What a caller is admitted by. */
export interface AdmissionPorts {
  /** Reads an Authorization header; null where it shows no token of ours that has not ended. */
  readonly readToken: (authorization: string | undefined) => Promise<AccessToken | null>;
  readonly standings: Standings;
}

/**
 * @returns null for a token that is not ours, has ended or was taken back
 * @throws Forbidden where the client may not call from there
 */
export async function admitCaller(
  { authorization, address }: Parameters<Authenticate>[0],
  { readToken, standings }: AdmissionPorts,
): Promise<Caller | null> {
  const token = await readToken(authorization);
  if (token === null) return null;
  const standing = await standingOf(token.clientId, standings);
  if (!isStillGood(token, standings)) return null;
  assertMayCallFrom(address, standing);
  return { ...token, address };
}

/** Whether what admitted a caller still holds; for callers that stay, as sockets do. */
export function isStillAdmitted(caller: Caller, standings: Standings): boolean {
  return isStillGood(caller, standings)
    && mayCallFrom(caller.address, standings.of(caller.clientId));
}

/** How a client stands; one that is younger than our copy of the standings is looked up. */
export async function standingOf(
  clientId: number,
  standings: Pick<Standings, 'of' | 'refresh' | 'hasSlept'>,
): Promise<Standing | undefined> {
  if (standings.of(clientId) === undefined || standings.hasSlept()) await standings.refresh();
  return standings.of(clientId);
}

function isStillGood(token: AccessToken, standings: Standings): boolean {
  const standing = standings.of(token.clientId);
  if (standing === undefined || !standing.isActive) return false;
  return token.generation >= standing.generation
    && !standings.isRevoked(token.tokenId)
    && (token.familyId === null || !standings.isRevoked(token.familyId))
    && (token.keyId === null || !standings.isRevoked(token.keyId));
}

/** @throws Forbidden */
export function assertMayCallFrom(address: string, standing: Standing | undefined): void {
  if (!mayCallFrom(address, standing)) throw new Forbidden('IP address not authorized');
}

function mayCallFrom(address: string, standing: Standing | undefined): boolean {
  const { networks = [] } = standing ?? {};
  return networks.length === 0 || isInNetworks(address, networks);
}

/** @throws Forbidden */
export function assertScope(caller: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (!caller.scopes.includes(scope)) throw new Forbidden(lackOf(scope));
}

/** In words for the client. */
export function lackOf(scope: Scope): string {
  return `The API key lacks the scope ${scope}`;
}
