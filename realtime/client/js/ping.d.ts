/** The types of ping.js. */

/**
 * What a client authenticates with: the one of logIn or sessionOf, and later those
 * that the handler `session` receives. Store all of it, including the first one. A
 * session belongs to one client.
 */
export interface Session {
  access_token: string;
  refresh_token: string;
  /** The Idempotency-Key of the next refresh. */
  refresh_key: string;
  /** When to refresh, in ms since 1970; 0 means now. */
  refresh_at: number;
}

/** A response that is not a success. */
export class Refusal extends Error {
  readonly status: number;
  /** For programs, such as conversation_not_found; '' if the response was not from Ping. */
  readonly code: string;
  /** Milliseconds after which to retry; 0 if the server did not say. */
  readonly after: number;
  /** Whether a retry would have the same outcome. */
  readonly final: boolean;
}

/** Starts a session. It makes one attempt; throws a Refusal, or what fetch throws. */
export function logIn(server: string, email: string, password: string): Promise<Session>;

/**
 * Makes a session from the server's response to a registration or a login. Call it at
 * once: the lifetimes in the response count from now.
 */
export function sessionOf(answer: { access_token: string; refresh_token: string; expires_in: number }): Session;

/** Something that happened in a conversation, or to the user: it has either conversation_id or user_id. */
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

/** The state of the connection. */
export type State =
  | { state: 'connected' }
  /** All missed events have arrived; events arrive as they happen. */
  | { state: 'resumed' }
  /** It broke; the client will reconnect. code is the close code, 0 if there was none. */
  | { state: 'disconnected'; code: number; reason: string }
  /** The server forbids to reconnect: a close code, or 401 if the session has ended. */
  | { state: 'ended'; code: number; reason: string };

/**
 * A frame that is not in the log. A connection does not repeat earlier frames:
 * read GET …/stealth when the state is resumed. The same stealth message may then
 * arrive twice.
 */
export type Ephemeral =
  | { type: 'stealth'; conversation_id: string; id: string; author_id: string; body: string; sent_at: string; expires_at: string }
  | { type: 'stealth_gone'; conversation_id: string; id: string; reason: 'expired' | 'withdrawn' }
  /** Expiry is reported as on: false. */
  | { type: 'typing'; conversation_id: string; user_id: string; on: boolean; expires_in_ms?: number }
  | { type: 'presence'; user_id: string; state: 'online' | 'away' | 'offline'; last_seen: string | null }
  /** After this delay, read GET …/stealth and …/presence. */
  | { type: 'ephemeral_gap'; after_ms: number }
  /** A frame of this client was not accepted. */
  | { type: 'error'; code: string; message: string; re?: string; retry_after_ms?: number };

/**
 * The functions that a client calls. If one throws, the error is reported; an event
 * or a reset is delivered again. Handlers are not awaited: an event counts as
 * delivered when its handler has returned.
 */
export interface Handlers {
  /** Each event of the user's conversations, once and in order. */
  event?(event: PingEvent): void;
  state?(state: State): void;
  /** The server's log was restored from a backup. All events follow from the first one on: drop what the app has. */
  reset?(): void;
  /**
   * Events that cannot be read, because the user is no longer a member. For the user's
   * own id: read GET /v1/users/me.
   */
  skipped?(id: string, fromSeq: number, toSeq: number): void;
  ephemeral?(frame: Ephemeral): void;
  /** The session has changed: store it before anything else, like the first one. */
  session?(session: Session): void;
}

/** A message that was neither sent nor refused. */
export interface Unsent {
  conversation: string;
  body: string;
  replyTo?: string;
  key: string;
}

/** A message that was sent; id is also the id of its event. */
export interface Message {
  id: string;
  conversation_id: string;
  seq: number;
  author_id: string;
  body: string;
  sent_at: string;
}

export class Client {
  /**
   * minBackoff (250 ms) bounds the delay after the first failure; the bound doubles per
   * failure, up to maxBackoff (30,000 ms).
   */
  constructor(
    server: string,
    session: Session,
    handlers?: Handlers,
    backoff?: { minBackoff?: number; maxBackoff?: number },
  );

  /** The present session. */
  readonly session: Session;

  /** Keeps a connection open and sends queued messages, until stop() or until the server forbids to reconnect. */
  start(): void;

  /** Closes the connection. Unsent messages stay queued. */
  stop(): void;

  /** Retries at once whatever waits. */
  wake(): void;

  /**
   * Queues a message after those of the same conversation. The promise is fulfilled
   * when it was sent, and rejected with a Refusal when it was refused; neither
   * happens while the client is stopped or after it has ended.
   */
  send(conversation: string, body: string, options?: { replyTo?: string; key?: string }): Promise<Message>;

  /**
   * The messages that were neither sent nor refused, in the order of each conversation.
   * Store them and pass each to send, with its key, when the app starts again.
   */
  unsent(): Unsent[];

  /**
   * Tells the other members of a conversation that the user is typing, or stopped. Call
   * it every 3 s while they type. It has no effect unless the state is resumed.
   */
  typing(conversation: string, on: boolean): void;

  /** Sets what others see of this device, on all connections. */
  presence(state: 'online' | 'away' | 'offline'): void;
}
