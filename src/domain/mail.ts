/** What the rooms around must offer so that mail is sent. */

/** One mail, ready to be sent. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** Makes the Message-ID: whoever gets the mail twice can see that it is the same. */
  readonly key: string;
}

/** Says no more than what the operator of a mail server needs: no address, no text of a mail. */
export class MailFault extends Error {}

export interface Mailer {
  /**
   * SENT: the server has taken it. REFUSED: this recipient will never get it.
   * @throws MailFault for all else; whether the mail was sent is then not known
   */
  send(mail: Mail): Promise<'SENT' | 'REFUSED'>;
}

/** Who hears how an order ends; null for nobody. */
export interface NotificationAddress {
  readonly clientId: number;
  readonly orderId: number;
  readonly address: string | null;
}

/** How many addresses are told how one order ended; set_notification_email() has the same. */
export const ADDRESSES_MAX = 10;

export interface NotificationStore {
  /**
   * ONE atomic phase: the address, and the mail where the order has ended already. NOT_FOUND where
   * the client has no such order; TOO_MANY where it was told to ADDRESSES_MAX others.
   */
  setNotificationEmail(of: NotificationAddress): Promise<'SET' | 'NOT_FOUND' | 'TOO_MANY'>;
}

/** A mail that is owed: how this order ended, to this address. */
export interface OwedMail {
  readonly clientId: number;
  readonly orderId: number;
  readonly status: string;
  readonly address: string;
}

/** An owed mail in the hands of one worker; whoever holds it longer than allowed loses it. */
export interface MailJob extends OwedMail {
  readonly id: string;
  readonly retryCount: number;
  /** Where this one fails, nobody tries again. */
  readonly isLastTry: boolean;
}

/** Owed mail on its way, shared by all processes over one database. */
export interface MailQueue {
  /** Turns up to `limit` owed mails into jobs, each once; answers how many. */
  handOver(limit: number): Promise<number>;
  /** Takes up to `limit` jobs that are due. */
  take(limit: number): Promise<readonly MailJob[]>;
  finish(job: MailJob): Promise<void>;
  /** Due again later; after the last try it is kept for a person. */
  postpone(job: MailJob, fault: string): Promise<void>;
  /** No more tries; it is kept for a person. */
  giveUp(job: MailJob, fault: string): Promise<void>;
}
