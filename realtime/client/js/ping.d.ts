/** Types of ping.js, by hand. */

/**
 * What a client authenticates with: that of logIn or sessionOf, and later what the
 * handler `session` is given. Keep it as a whole, the first one too. One session
 * is for one client.
 */
export interface Session {
  access_token: string;
  refresh_token: string;
  /** The Idempotency-Key of the next refresh. */
  refresh_key: string;
  /** When to refresh, in ms since 1970; 0 is at once. */
  refresh_at: number;
}

/** An answer that is not a success. */
export class Refusal extends Error {
  readonly status: number;
  /** For programs, such as conversation_not_found; '' when the answer was not Ping's. */
  readonly code: string;
  /** Milliseconds after which to try again; 0 where the server did not say. */
  readonly after: number;
  /** Whether another try would be answered the same. */
  readonly final: boolean;
}

/** Begins a session. It is tried once; throws a Refusal, or what fetch throws. */
export function logIn(server: string, email: string, password: string): Promise<Session>;

/** Makes a session of the server's answer to registering or logging in. Do so at once: it says how long the tokens are good from now on. */
export function sessionOf(answer: { access_token: string; refresh_token: string; expires_in: number }): Session;

/** Something that happened in a conversation, or to the user: one of the two ids is there. */
export interface PingEvent {
  type: 'event';
  /** partition:position */
  at: string;
  conversation_id?: string;
  user_id?: string;
  seq: number;
  /** Such as message.sent. */
  event: string;
  id: string;
  actor_id: string;
  /** RFC 3339 */
  recorded_at: string;
  data: Record<string, unknown>;
}

/** The stream's state. */
export type State =
  | { state: 'connected' }
  /** All that was missed has come; events come as they happen. */
  | { state: 'resumed' }
  /** It broke, and the client is about to try again; code is the close code, 0 where there was none. */
  | { state: 'disconnected'; code: number; reason: string }
  /** The server said not to come back: a close code, or 401 when the session is over. */
  | { state: 'ended'; code: number; reason: string };

/**
 * What is told and not kept. A stream that begins or resumes is told nothing of
 * before: read GET …/stealth when the state is resumed. The same stealth may
 * then come twice.
 */
export type Ephemeral =
  | { type: 'stealth'; conversation_id: string; id: string; author_id: string; body: string; sent_at: string; expires_at: string }
  | { type: 'stealth_gone'; conversation_id: string; id: string; reason: 'expired' | 'withdrawn' }
  /** on: false is told also when it expires. */
  | { type: 'typing'; conversation_id: string; user_id: string; on: boolean; expires_in_ms?: number }
  | { type: 'presence'; user_id: string; state: 'online' | 'away' | 'offline'; last_seen: string | null }
  /** After that time read GET …/stealth and …/presence again. */
  | { type: 'ephemeral_gap'; after_ms: number }
  /** A frame of this client was not accepted. */
  | { type: 'error'; code: string; message: string; re?: string; retry_after_ms?: number };

/**
 * What a client calls. An event or a reset whose handler throws comes again; what
 * the others throw is reported and makes no difference. Handlers are not awaited:
 * an event counts as taken when its handler has returned.
 */
export interface Handlers {
  /** Each event of the user's conversations, once and in order. */
  event?(event: PingEvent): void;
  state?(state: State): void;
  /** The server's log was restored from a backup. All events follow anew from the first one: drop what you have. */
  reset?(): void;
  /** Events that cannot be had, because the user is not in the conversation any more. For the user's own id: read GET /v1/users/me. */
  skipped?(id: string, fromSeq: number, toSeq: number): void;
  ephemeral?(frame: Ephemeral): void;
  /** The session has changed: keep it before anything else, as the first one was. */
  session?(session: Session): void;
}

/** A message that is neither sent nor refused. */
export interface Unsent {
  conversation: string;
  body: string;
  replyTo?: string;
  key: string;
}

/** A message that was sent: id is also that of its event. */
export interface Message {
  id: string;
  conversation_id: string;
  seq: number;
  author_id: string;
  body: string;
  sent_at: string;
}

export class Client {
  /** Pauses are in ms: firstPause (250) bounds the pause after a first failure and doubles with each further one up to longestPause (30,000). */
  constructor(server: string, session: Session, handlers?: Handlers, pauses?: { firstPause?: number; longestPause?: number });

  /** The present session. */
  readonly session: Session;

  /** Keeps the stream open and sends what is queued, until stop() or until the server says not to come back. */
  start(): void;

  /** Closes the stream. What is not sent stays queued. */
  stop(): void;

  /** Lets whoever waits before trying again do so at once. */
  wake(): void;

  /**
   * Queues a message behind those of the same conversation. Fulfilled when it was
   * sent, rejected with a Refusal when it was refused; not while the client is
   * stopped or after it has ended.
   */
  send(conversation: string, body: string, options?: { replyTo?: string; key?: string }): Promise<Message>;

  /** What was neither sent nor refused, in the order of each conversation. Keep it and give each to send, with its key, when the app is back. */
  unsent(): Unsent[];

  /** Tells the others of a conversation that the user types, or does no more. Call it every 3 s while he does. It is lost unless the state is resumed. */
  typing(conversation: string, on: boolean): void;

  /** Sets what others see of this device, over all connections. */
  presence(state: 'online' | 'away' | 'offline'): void;
}
