/**
 * A client of Ping in one file, for browsers and Node (20.10 or newer; below 22
 * with --experimental-websocket). docs/protocol.md describes the protocol,
 * README.md the use, and ping.d.ts the types.
 */

/**
 * The statuses below 500 for which a retry may succeed. 499 means that the
 * request was cut off and its outcome is unknown.
 */
const transient = [401, 408, 425, 429, 499];

/** A response that is not a success. */
export class Refusal extends Error {
  constructor(status, problem, after = 0) {
    super(`${status} ${problem.code ?? ''}: ${problem.detail ?? ''}`);
    this.status = status;
    this.code = problem.code ?? '';
    this.after = after; // ms after which to retry, if the server said so
  }

  /**
   * Whether a retry would have the same outcome. A response without a code is not from Ping,
   * but from something in front of it.
   */
  get final() {
    return this.status < 500 && this.code !== '' && !transient.includes(this.status);
  }
}

/** Starts a session. It makes one attempt. */
export async function logIn(server, email, password) {
  return sessionOf(await fetchJSON(server, { method: 'POST', path: '/v1/auth/login', body: { email, password }, expects: 'access_token' }));
}

/**
 * Makes a session from the server's response. It schedules the refresh with a
 * fifth of the token's life left. The key belongs to the refresh token: a refresh
 * whose answer was lost is repeated with it, while a second one with another key
 * ends the session. It is random and not derived from the token, so that a thief
 * who has only the token is detected.
 */
export function sessionOf(answer) {
  return {
    access_token: answer.access_token,
    refresh_token: answer.refresh_token,
    refresh_key: crypto.randomUUID(),
    refresh_at: Date.now() + Math.max(answer.expires_in * 800, 1000),
  };
}

const requestTimeout = 15_000;

/**
 * Sends a request once. A success has the field `expects`; a response without it
 * is not from Ping, but from something in front of it. It follows no redirect,
 * which would turn a write into a read. Throws a Refusal, or another error if
 * there was no response.
 */
async function fetchJSON(server, { method = 'GET', path, token, key, minPositions, body, expects }) {
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers['Idempotency-Key'] = key;
  if (minPositions?.length) headers['Ping-Min-Position'] = minPositions.join(',');
  const response = await fetch(server + path, {
    method, headers, body: body && JSON.stringify(body), redirect: 'error', signal: AbortSignal.timeout(requestTimeout),
  });
  const text = await response.text(); // also of a refusal: one that is cut off means nothing
  if (response.ok) {
    const answer = JSON.parse(text);
    if (!answer?.[expects]) throw new Error('the response is not from Ping');
    return answer;
  }
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch { /* not from Ping */ }
  throw new Refusal(response.status, problem, 1000 * (Number(response.headers.get('Retry-After')) || 0));
}

/** Thrown by a wait or a request when the client has stopped. */
const stopped = Symbol('stopped');

export class Client {
  /**
   * @param server such as https://chat.example.org
   * @param session of logIn or sessionOf, or the last one that the handler `session` received
   * @param handlers { event, state, reset, skipped, ephemeral, session }
   */
  constructor(server, session, handlers = {}, { minBackoff = 250, maxBackoff = 30_000 } = {}) {
    this.server = server;
    this.session = { ...session };
    this.handlers = handlers;
    this.backoff = { minBackoff, maxBackoff };
    this.journal = new Journal();
    this.queues = new Map(); // messages to send, in order, by conversation
    this.sleepers = new Set(); // functions that wake waits
    this.run = undefined; // an object between start and stop
  }

  /** Keeps a connection open and sends queued messages, until stop() or until the server forbids to reconnect. */
  start() {
    if (this.run) return;
    this.run = {};
    globalThis.addEventListener?.('online', this.wake);
    for (const conversation of this.queues.keys()) this.#sendAll(conversation);
    this.#keepOpen(this.run);
  }

  /** Closes the connection. Unsent messages stay queued. */
  stop() {
    if (!this.run) return;
    this.run = undefined;
    globalThis.removeEventListener?.('online', this.wake);
    this.connection?.end({ code: 0, reason: 'stopped' });
    this.wake();
  }

  /** Ends the client for good. */
  #finish(code, reason) {
    if (!this.run) return;
    this.stop();
    this.#call('state', { state: 'ended', code, reason });
  }

  /** Calls a handler. If it throws, the error is reported; an event or a reset is delivered again. */
  #call(handler, ...args) {
    try {
      this.handlers[handler]?.(...args);
    } catch (error) {
      if (handler === 'event' || handler === 'reset') throw error;
      if (globalThis.reportError) reportError(error);
      else console.error(error);
    }
  }

  // Waiting

  /** Retries at once whatever waits. */
  wake = () => {
    for (const wake of this.sleepers) wake();
  };

  /** Waits before retry n, counted from 0, at least as long as the server asked for. */
  async #backOff(n, atLeast = 0) {
    if (atLeast) await this.#sleep(atLeast, () => !this.run);
    // Random, so that clients that were disconnected together do not reconnect together.
    if (this.run) await this.#sleep(Math.random() * this.#bound(n), () => true);
  }

  /** The maximum delay before retry n, in ms. It doubles per failure. */
  #bound(n) {
    return Math.min(this.backoff.maxBackoff, this.backoff.minBackoff * 2 ** n);
  }

  #sleep(ms, mayWake) {
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer);
        this.sleepers.delete(wake);
        resolve();
      };
      const wake = () => mayWake() && awake();
      const timer = setTimeout(awake, ms);
      this.sleepers.add(wake);
    });
  }

  // Requests

  /**
   * Returns an access token that is valid as far as is known. If it has to be refreshed
   * first, all callers wait for one refresh.
   */
  async #accessToken() {
    if (Date.now() >= this.session.refresh_at) {
      this.refreshing ??= this.#refresh().finally(() => { this.refreshing = undefined; });
      await this.refreshing;
    }
    return this.session.access_token;
  }

  async #refresh() {
    const { refresh_token, refresh_key } = this.session;
    for (let n = 0; this.run; n++) {
      try {
        this.session = sessionOf(await fetchJSON(this.server, {
          method: 'POST', path: '/v1/auth/refresh', key: refresh_key, body: { refresh_token }, expects: 'access_token',
        }));
        return this.#call('session', this.session);
      } catch (error) {
        if (error.final || error.code === 'refresh_token_invalid') this.#finish(401, error.code);
        else await this.#backOff(n, error.after);
      }
    }
    throw stopped;
  }

  #invalidateToken(token) {
    if (this.session.access_token === token) this.session.refresh_at = 0;
  }

  /** Sends a request until it has a final response. Throws a final Refusal, or `stopped`. */
  async #request(request, wanted = () => true) {
    for (let n = 0; this.run && wanted(); n++) {
      const token = await this.#accessToken();
      try {
        const answer = await fetchJSON(this.server, { ...request, token });
        if (wanted()) return answer;
      } catch (error) {
        if (error.final) throw error;
        if (error.status === 401) this.#invalidateToken(token);
        await this.#backOff(n, error.after);
      }
    }
    throw stopped;
  }

  // Sending

  /**
   * Queues a message after those of the same conversation. The promise is
   * fulfilled when it was sent, and rejected with a Refusal when it was refused.
   */
  send(conversation, body, { replyTo, key = crypto.randomUUID() } = {}) {
    const message = { conversation, body, replyTo, key };
    return new Promise((resolve, reject) => {
      const queue = this.queues.get(conversation) ?? [];
      queue.push({ message, resolve, reject });
      this.queues.set(conversation, queue);
      if (queue.length === 1 && this.run) this.#sendAll(conversation);
    });
  }

  /**
   * The messages that were neither sent nor refused, in order. Store them and pass each to
   * send, with its key, when the app starts again.
   */
  unsent() {
    return [...this.queues.values()].flat().map(({ message }) => message);
  }

  /** Sends the queue of a conversation. A message is sent after its predecessor was answered. */
  async #sendAll(conversation) {
    const queue = this.queues.get(conversation);
    if (queue.busy) return; // a loop from before stop() still runs
    queue.busy = true;
    try {
      while (queue.length > 0) {
        const { message: { body, replyTo, key }, resolve, reject } = queue[0];
        const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages`;
        await this.#request({ method: 'POST', path, key, body: { body, reply_to: replyTo }, expects: 'id' }).then(resolve, (error) => {
          if (!(error instanceof Refusal)) throw error; // the message stays queued
          reject(error);
        });
        queue.shift();
      }
      this.queues.delete(conversation);
    } catch (error) {
      if (error !== stopped) throw error;
    } finally {
      queue.busy = false;
    }
    // start() may have been called before this loop noticed stop().
    if (this.run && queue.length > 0) this.#sendAll(conversation);
  }

  // Connecting

  async #keepOpen(run) {
    for (let failures = 0; this.run === run; failures++) {
      const connection = (this.connection = new Connection());
      let ending;
      try {
        ending = await this.#runConnection(connection, run);
      } catch (error) {
        ending = connection.ended ?? { code: 0, reason: String(error), after: error.after };
      }
      if (this.run !== run) return;
      const { code = 0, reason = '' } = ending;
      // These codes of RFC 6455 mean that this client violated the protocol, which it would do again.
      if ((code >= 4500 && code < 5000) || [1002, 1007, 1009].includes(code)) return this.#finish(code, reason);
      if (code === 4002) this.#invalidateToken(connection.token);
      // A connection that ends right after it has resumed counts as a failure.
      if (connection.resumed && Date.now() - connection.resumed > this.#bound(failures)) failures = 0;
      this.#call('state', { state: 'disconnected', code, reason });
      await this.#backOff(failures, connection.after || ending.after);
    }
  }

  /** Opens the connection, handles its frames, and returns why it ended. */
  async #runConnection(connection, run) {
    connection.token = await this.#accessToken();
    let ticket;
    try {
      ({ ticket } = await fetchJSON(this.server, { method: 'POST', path: '/v1/auth/ticket', token: connection.token, expects: 'ticket' }));
    } catch (error) {
      if (error.status === 401) this.#invalidateToken(connection.token);
      throw error;
    }
    if (connection.ended) return connection.ended; // by stop()
    connection.open(`${this.server.replace(/^http/, 'ws')}/v1/stream?resume=1&ticket=${encodeURIComponent(ticket)}`, () => {
      const at = [...this.journal.at.values()];
      connection.begins = at.length === 0;
      connection.send({ type: 'resume', at, epoch: this.journal.epoch });
      // Until then the server takes the device for online.
      if (this.presenceState) connection.send({ type: 'presence', state: this.presenceState });
      this.#call('state', { state: 'connected' });
      this.wake();
    });
    try {
      for await (const frame of connection.frames()) {
        if (this.run !== run) break;
        await this.#handle(connection, frame);
      }
    } catch (error) {
      connection.end({ code: 0, reason: String(error) }); // a handler threw: the event is delivered again
      throw error;
    } finally {
      clearTimeout(connection.refresh);
      for (const typist of connection.typists.keys()) this.#stopTyping(connection, typist);
    }
    return connection.ended;
  }

  /** Refreshes the access token before it expires, and extends the connection with it. */
  #scheduleRefresh(connection) {
    connection.refresh = setTimeout(async () => {
      const token = await this.#accessToken().catch(() => connection.token);
      if (connection.ended || !this.run) return;
      if (token !== connection.token) connection.send({ type: 'refresh', access_token: token });
      connection.token = token;
      this.#scheduleRefresh(connection);
    }, Math.max(0, this.session.refresh_at - Date.now()));
  }

  async #handle(connection, frame) {
    const { journal } = this;
    switch (frame.type) {
      case 'hello':
        connection.epoch = frame.epoch;
        connection.watch(frame.heartbeat_ms);
        this.#scheduleRefresh(connection);
        break;
      case 'ready':
        journal.user = frame.user_id;
        connection.heads = frame.conversations;
        if (connection.begins) {
          journal.begin(frame.conversations);
          journal.advance(frame.at);
          journal.epoch = connection.epoch;
        }
        break;
      case 'event':
        await this.#handleEvent(connection, frame);
        break;
      case 'gap':
        journal.addGap(streamOf(frame), { from: frame.from_seq, to: frame.to_seq });
        break;
      case 'resumed':
        await this.#finishReplay(connection, frame.at);
        break;
      case 'reconnect':
        connection.after = frame.after_ms;
        break;
      case 'error':
        if (['epoch_changed', 'position_unknown', 'resume_invalid'].includes(frame.code)) {
          // The resume point stays until `resumed`: a client that is disconnected
          // before has not received all gaps, and asks for them again.
          journal.progress.clear();
          this.#call('reset');
          break;
        }
        this.#call('ephemeral', frame);
        break;
      case 'typing':
        this.#updateTyping(connection, frame);
        break;
      case 'stealth':
      case 'stealth_gone':
      case 'presence':
      case 'ephemeral_gap':
        this.#call('ephemeral', frame);
    }
  }

  /** Delivers an event, after those that are missing before it. */
  async #handleEvent(connection, event) {
    const progress = this.journal.progressOf(event);
    const added = this.journal.concerns(event, 'member.added');
    await this.#fillGaps(connection, streamOf(event), event.seq, added, [event.at]);
    if (event.seq > progress.last) this.#deliver(connection, event);
    this.journal.advance([event.at]);
  }

  /** Reads the gaps over HTTP, and events up to the versions that `ready` stated. */
  async #finishReplay(connection, at) {
    const until = new Map();
    for (const [id, { gaps }] of this.journal.progress) if (gaps.length) until.set(id, gaps.at(-1).to);
    for (const { id, seq } of connection.heads) {
      if (this.journal.progress.has(id)) until.set(id, Math.max(until.get(id) ?? 0, seq));
    }
    for (const [id, seq] of until) await this.#fillGaps(connection, id, seq + 1, false, at);
    this.journal.advance(at);
    this.journal.epoch = connection.epoch;
    connection.resumed = Date.now();
    this.#call('state', { state: 'resumed' });
  }

  /** Reads what is missing in a conversation before the version `next`. */
  async #fillGaps(connection, id, next, added, minPositions) {
    const progress = this.journal.progress.get(id);
    for (let missing; (missing = progress.missing(next, added)); ) await this.#fetch(connection, id, progress, missing, minPositions);
  }

  /**
   * Reads a span of a conversation over HTTP and delivers it. The read must include
   * minPositions: otherwise the read models may not know yet that the user is a
   * member.
   */
  async #fetch(connection, id, progress, missing, minPositions) {
    const skip = (from) => {
      progress.last = missing.to;
      this.#call('skipped', id, from, missing.to);
    };
    if (id === this.journal.user) return skip(missing.from); // there is no such page of the user's own events
    while (progress.last < missing.to) {
      const after = Math.max(progress.last, missing.from - 1);
      const path = `/v1/conversations/${encodeURIComponent(id)}/events?limit=200&after=${after}`;
      const page = await this.#request({ path, minPositions, expects: 'items' }, () => !connection.ended).catch((error) => {
        if (error instanceof Refusal) return { items: [] };
        throw error;
      });
      if (page.items.length === 0) {
        progress.removed = true;
        return skip(after + 1);
      }
      for (const event of page.items) {
        if (event.seq > progress.last && event.seq <= missing.to) this.#deliver(connection, event);
      }
    }
  }

  /** Calls the handler. An event counts as delivered when it has returned. */
  #deliver(connection, event) {
    if (event.event === 'message.sent') this.#stopTyping(connection, `${event.conversation_id} ${event.actor_id}`);
    this.#call('event', event);
    this.journal.record(event);
  }

  // Ephemeral frames

  /** A user types until a frame says otherwise, until they send a message, or until it expires. */
  #updateTyping(connection, frame) {
    const typist = `${frame.conversation_id} ${frame.user_id}`;
    clearTimeout(connection.typists.get(typist));
    connection.typists.delete(typist);
    if (frame.on) connection.typists.set(typist, setTimeout(() => this.#stopTyping(connection, typist), frame.expires_in_ms));
    this.#call('ephemeral', frame);
  }

  #stopTyping(connection, typist) {
    if (!connection.typists.has(typist)) return;
    clearTimeout(connection.typists.get(typist));
    connection.typists.delete(typist);
    const [conversation_id, user_id] = typist.split(' ');
    this.#call('ephemeral', { type: 'typing', conversation_id, user_id, on: false });
  }

  /**
   * Tells the other members of a conversation that the user is typing, or stopped.
   * Call it every 3 s while they type. It has no effect unless the state is resumed:
   * before, the server may not know yet that the user is a member.
   */
  typing(conversation, on) {
    if (this.connection?.resumed) this.connection.send({ type: 'typing', conversation_id: conversation, on });
  }

  /** Sets what others see of this device, on all connections: online, away or offline. */
  presence(state) {
    this.presenceState = state;
    this.connection?.send({ type: 'presence', state });
  }
}

/** One WebSocket to the server. */
class Connection {
  queue = []; // frames that are not handled yet
  typists = new Map(); // conversation and user to the timer that expires it
  heads = [];
  notify = () => {};

  open(url, opened) {
    this.socket = new WebSocket(url, 'ping.v1.json');
    this.socket.onopen = () => {
      if (!this.ended) opened();
    };
    this.socket.onmessage = ({ data }) => {
      this.active = true;
      this.queue.push(JSON.parse(data));
      this.notify();
    };
    this.socket.onerror = () => this.end({ code: 0, reason: 'the connection failed' });
    this.socket.onclose = ({ code, reason }) => this.end({ code, reason });
    this.watch(30_000);
  }

  /**
   * Ends a connection that receives nothing for a whole heartbeat. A page cannot see
   * WebSocket pings, so it sends its own.
   */
  watch(heartbeat) {
    clearInterval(this.watcher);
    this.active = true;
    this.watcher = setInterval(() => {
      if (!this.active) return this.end({ code: 0, reason: 'nothing arrived within a heartbeat' });
      this.active = false;
      this.send({ type: 'ping' });
    }, heartbeat);
  }

  send(frame) {
    if (!this.ended && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  /** Ends the connection without waiting for the WebSocket to close: that takes long if the server is unreachable. */
  end(ending) {
    if (this.ended) return;
    this.ended = ending;
    clearInterval(this.watcher);
    this.socket?.close();
    this.notify();
  }

  /** The frames, in order, until the connection ends. */
  async *frames() {
    for (;;) {
      while (this.queue.length > 0) yield this.queue.shift();
      if (this.ended) return;
      await new Promise((resolve) => { this.notify = resolve; });
    }
  }
}

/** What the client has received so far, over all its connections. */
class Journal {
  epoch = 0; // of the log that the positions belong to
  at = new Map(); // partition to last position, '7' to '7:1042'
  progress = new Map(); // by conversation, and by the user's id for their own stream

  /** Moves the resume point. */
  advance(at) {
    for (const position of at) this.at.set(position.split(':')[0], position);
  }

  /** Starts conversations that are not known yet at their present version: earlier events are history. */
  begin(heads) {
    for (const { id, seq } of heads) if (!this.progress.has(id)) this.progress.set(id, new Progress(seq));
  }

  /**
   * Notes a gap to be read later. The server sends a gap before the events of its partition,
   * including those that precede the gap.
   */
  addGap(id, gap) {
    if (!this.progress.has(id)) this.progress.set(id, new Progress(0, true)); // the user was added meanwhile
    this.progress.get(id).gaps.push(gap);
    this.progress.get(id).gaps.sort((a, b) => a.from - b.from);
  }

  /** The progress of an event's conversation. One that is not known yet starts with this event. */
  progressOf(event) {
    const id = streamOf(event);
    if (!this.progress.has(id)) this.progress.set(id, new Progress(event.seq - 1));
    return this.progress.get(id);
  }

  /** Notes that an event was delivered. */
  record(event) {
    const progress = this.progress.get(streamOf(event));
    progress.last = event.seq;
    if (this.concerns(event, 'member.added')) progress.removed = false;
    else if (this.concerns(event, 'member.removed')) progress.removed = true;
  }

  /** Whether an event has the type and names the user. */
  concerns(event, type) {
    return event.event === type && event.data.user_id === this.user;
  }
}

/** What was received of a conversation. */
class Progress {
  gaps = []; // what the server does not replay and was not read yet, in order

  /**
   * @param last version of the last event that was delivered or skipped
   * @param removed the user is not a member: what happens until they are added is
   *   not theirs to see, so a jump of versions up to there is no gap
   */
  constructor(last, removed = false) {
    this.last = last;
    this.removed = removed;
  }

  /**
   * The first span to read before the event with the version `next` may be delivered; added:
   * that event adds the user.
   */
  missing(next, added) {
    while (this.gaps.length && this.gaps[0].to <= this.last) this.gaps.shift(); // it was read, and sent twice
    const inGap = this.gaps.length > 0 && this.gaps[0].from < next;
    const until = inGap ? this.gaps[0].from - 1 : next - 1;
    if (this.last < until && !(this.removed && (inGap || added))) return { from: this.last + 1, to: until }; // versions jump
    if (inGap && this.last < next - 1) {
      return { from: Math.max(this.gaps[0].from, this.last + 1), to: Math.min(this.gaps[0].to, next - 1) };
    }
    return undefined;
  }
}

/** The id of the log's stream in which the seq of an event or a gap counts. */
function streamOf(frame) {
  return frame.conversation_id ?? frame.user_id;
}
