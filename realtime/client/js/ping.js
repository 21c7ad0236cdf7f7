/**
 * A client of Ping in one file, for browsers and Node (20.10 or newer; below 22
 * with --experimental-websocket). The protocol is in realtime/doc.go, how to use
 * this in README.md beside it, and the types in ping.d.ts.
 */

/**
 * The statuses of refusals, besides the server's failures, that pass: another try
 * may be answered otherwise. 499 says that the request was cut off, and what
 * became of it is not known.
 */
const passing = [401, 408, 425, 429, 499];

/** An answer that is not a success. */
export class Refusal extends Error {
  constructor(status, problem, after = 0) {
    super(`${status} ${problem.code ?? ''}: ${problem.detail ?? ''}`);
    this.status = status;
    this.code = problem.code ?? '';
    this.after = after; // ms after which to try again, where the server said so
  }

  /** Whether another try would be answered the same. What has no code is not Ping's answer, but that of something before it. */
  get final() {
    return this.status < 500 && this.code !== '' && !passing.includes(this.status);
  }
}

/** Begins a session. It is tried once. */
export async function logIn(server, email, password) {
  return sessionOf(await fetchJSON(server, { method: 'POST', path: '/v1/auth/login', body: { email, password }, has: 'access_token' }));
}

/**
 * Makes a session of the server's answer. It notes when to refresh: with a
 * fifth of the token's life left. The key belongs to the refresh token: a
 * refresh whose answer was lost is repeated with it, while a second one with
 * another key would end the session. It is random, and not made of the token: so
 * whoever stole the token alone is found out.
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
 * Sends a request once. A success has a certain field: what has not is not
 * Ping's answer, but that of something before it. No redirect is followed: what
 * is written would be read in its place, and lost. Throws a Refusal, or another
 * error where there was no answer.
 */
async function fetchJSON(server, { method = 'GET', path, token, key, seen, body, has }) {
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers['Idempotency-Key'] = key;
  if (seen?.length) headers['Ping-Min-Position'] = seen.join(',');
  const response = await fetch(server + path, {
    method, headers, body: body && JSON.stringify(body), redirect: 'error', signal: AbortSignal.timeout(requestTimeout),
  });
  const text = await response.text(); // also of a refusal: one that breaks off says nothing
  if (response.ok) {
    const answer = JSON.parse(text);
    if (!answer?.[has]) throw new Error("the answer is not Ping's");
    return answer;
  }
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch { /* not from Ping */ }
  throw new Refusal(response.status, problem, 1000 * (Number(response.headers.get('Retry-After')) || 0));
}

/** Why a wait or a request was given up: the client has stopped. */
const stopped = Symbol('stopped');

export class Client {
  /**
   * @param server such as https://chat.example.org
   * @param session of logIn or sessionOf, or what `session` was last given
   * @param handlers { event, state, reset, skipped, ephemeral, session }
   */
  constructor(server, session, handlers = {}, { firstPause = 250, longestPause = 30_000 } = {}) {
    this.server = server;
    this.session = { ...session };
    this.handlers = handlers;
    this.pauses = { firstPause, longestPause };
    this.journal = new Journal();
    this.queues = new Map(); // by conversation: what is to be sent, in order
    this.sleepers = new Set(); // who waits, to be woken
    this.run = undefined; // something between start and stop
  }

  /** Keeps the stream open and sends what is queued, until stop() or until the server says not to come back. */
  start() {
    if (this.run) return;
    this.run = {};
    globalThis.addEventListener?.('online', this.wake);
    for (const conversation of this.queues.keys()) this.#sendAll(conversation);
    this.#keepOpen(this.run);
  }

  /** Closes the stream. What is not sent stays queued. */
  stop() {
    if (!this.run) return;
    this.run = undefined;
    globalThis.removeEventListener?.('online', this.wake);
    this.stream?.end({ code: 0, reason: 'stopped' });
    this.wake();
  }

  /** Ends the client for good, and tells why. */
  #end(code, reason) {
    if (!this.run) return;
    this.stop();
    this.#tell('state', { state: 'ended', code, reason });
  }

  /** Calls a handler. One that throws is reported, and stops nothing: only an event and a reset come again. */
  #tell(what, ...news) {
    try {
      this.handlers[what]?.(...news);
    } catch (error) {
      if (what === 'event' || what === 'reset') throw error;
      if (globalThis.reportError) reportError(error);
      else console.error(error);
    }
  }

  // Waiting

  /** Lets those who wait try again at once. */
  wake = () => {
    for (const wake of this.sleepers) wake();
  };

  /** Waits before trying again after n failures more than one: at least as long as the server asked for. */
  async #pause(n, atLeast = 0) {
    if (atLeast) await this.#sleep(atLeast, () => !this.run);
    // Anywhere between nothing and the bound: clients that were cut off together
    // must not come back together.
    if (this.run) await this.#sleep(Math.random() * this.#bound(n), () => true);
  }

  /** Doubles with each failure. */
  #bound(n) {
    return Math.min(this.pauses.longestPause, this.pauses.firstPause * 2 ** n);
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

  /** Returns an access token that is good, as far as is known. Where it has to be refreshed first, all wait for one refresh. */
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
          method: 'POST', path: '/v1/auth/refresh', key: refresh_key, body: { refresh_token }, has: 'access_token',
        }));
        return this.#tell('session', this.session);
      } catch (error) {
        if (error.final || error.code === 'refresh_token_invalid') this.#end(401, error.code);
        else await this.#pause(n, error.after);
      }
    }
    throw stopped;
  }

  #spend(token) {
    if (this.session.access_token === token) this.session.refresh_at = 0;
  }

  /** Sends a request until it is answered for good. Throws a final Refusal, or `stopped`. */
  async #ask(request, goesOn = () => true) {
    for (let n = 0; this.run && goesOn(); n++) {
      const token = await this.#accessToken();
      try {
        const answer = await fetchJSON(this.server, { ...request, token });
        if (goesOn()) return answer;
      } catch (error) {
        if (error.final) throw error;
        if (error.status === 401) this.#spend(token);
        await this.#pause(n, error.after);
      }
    }
    throw stopped;
  }

  // Sending

  /**
   * Queues a message behind those of the same conversation. The promise is
   * fulfilled when it was sent and rejected with a Refusal when it was refused.
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

  /** What was neither sent nor refused, in order. Keep it and give each to send, with its key, when the app is back. */
  unsent() {
    return [...this.queues.values()].flat().map(({ message }) => message);
  }

  /** Sends what is queued of a conversation, one message after another: the next is not tried before the one before it was answered. */
  async #sendAll(conversation) {
    const queue = this.queues.get(conversation);
    if (queue.busy) return; // since before a stop
    queue.busy = true;
    try {
      while (queue.length > 0) {
        const { message: { body, replyTo, key }, resolve, reject } = queue[0];
        const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages`;
        await this.#ask({ method: 'POST', path, key, body: { body, reply_to: replyTo }, has: 'id' }).then(resolve, (error) => {
          if (!(error instanceof Refusal)) throw error; // it stays queued
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
    if (this.run && queue.length > 0) this.#sendAll(conversation); // a start came while the stop was on its way here
  }

  // The stream

  async #keepOpen(run) {
    for (let failures = 0; this.run === run; failures++) {
      const stream = (this.stream = new Stream());
      let ending;
      try {
        ending = await this.#follow(stream, run);
      } catch (error) {
        ending = stream.ended ?? { code: 0, reason: String(error), after: error.after };
      }
      if (this.run !== run) return;
      const { code = 0, reason = '' } = ending;
      // Codes of RFC 6455 that say that this client broke the protocol, which it will do again.
      if ((code >= 4500 && code < 5000) || [1002, 1007, 1009].includes(code)) return this.#end(code, reason);
      if (code === 4002) this.#spend(stream.token);
      // One that ends as soon as it has resumed has failed too.
      if (stream.resumed && Date.now() - stream.resumed > this.#bound(failures)) failures = 0;
      this.#tell('state', { state: 'disconnected', code, reason });
      await this.#pause(failures, stream.after || ending.after);
    }
  }

  /** Opens the stream and handles its frames to its end, which it returns. */
  async #follow(stream, run) {
    stream.token = await this.#accessToken();
    let ticket;
    try {
      ({ ticket } = await fetchJSON(this.server, { method: 'POST', path: '/v1/auth/ticket', token: stream.token, has: 'ticket' }));
    } catch (error) {
      if (error.status === 401) this.#spend(stream.token);
      throw error;
    }
    if (stream.ended) return stream.ended; // by a stop
    stream.open(`${this.server.replace(/^http/, 'ws')}/v1/stream?resume=1&ticket=${encodeURIComponent(ticket)}`, () => {
      const at = [...this.journal.at.values()];
      stream.begins = at.length === 0;
      stream.send({ type: 'resume', at, epoch: this.journal.epoch });
      if (this.present) stream.send({ type: 'presence', state: this.present }); // until then the server takes the device for online
      this.#tell('state', { state: 'connected' });
      this.wake();
    });
    try {
      for await (const frame of stream.frames()) {
        if (this.run !== run) break;
        await this.#handle(stream, frame);
      }
    } catch (error) {
      stream.end({ code: 0, reason: String(error) }); // a handler has thrown it: the event comes again
      throw error;
    } finally {
      clearTimeout(stream.refresh);
      for (const typist of stream.typists.keys()) this.#stopTyping(stream, typist);
    }
    return stream.ended;
  }

  /** Refreshes the token before it expires, and extends the stream. */
  #keepToken(stream) {
    stream.refresh = setTimeout(async () => {
      const token = await this.#accessToken().catch(() => stream.token);
      if (stream.ended || !this.run) return;
      if (token !== stream.token) stream.send({ type: 'refresh', access_token: token });
      stream.token = token;
      this.#keepToken(stream);
    }, Math.max(0, this.session.refresh_at - Date.now()));
  }

  async #handle(stream, frame) {
    const { journal } = this;
    switch (frame.type) {
      case 'hello':
        stream.epoch = frame.epoch;
        stream.watch(frame.heartbeat_ms);
        this.#keepToken(stream);
        break;
      case 'ready':
        journal.user = frame.user_id;
        stream.heads = frame.conversations;
        if (stream.begins) {
          journal.begin(frame.conversations);
          journal.advance(frame.at);
          journal.epoch = stream.epoch;
        }
        break;
      case 'event':
        await this.#take(stream, frame);
        break;
      case 'gap':
        journal.tell(streamOf(frame), { from: frame.from_seq, to: frame.to_seq });
        break;
      case 'resumed':
        await this.#complete(stream, frame.at);
        break;
      case 'reconnect':
        stream.after = frame.after_ms;
        break;
      case 'error':
        if (['epoch_changed', 'position_unknown', 'resume_invalid'].includes(frame.code)) {
          // The resume point stays until `resumed`: a client that is cut before
          // has not been told of all gaps, and asks again.
          journal.places.clear();
          this.#tell('reset');
          break;
        }
        this.#tell('ephemeral', frame);
        break;
      case 'typing':
        this.#hearTyping(stream, frame);
        break;
      case 'stealth':
      case 'stealth_gone':
      case 'presence':
      case 'ephemeral_gap':
        this.#tell('ephemeral', frame);
    }
  }

  /** Hands an event on, after what is missing before it. */
  async #take(stream, event) {
    const place = this.journal.place(event);
    const added = this.journal.concerns(event, 'member.added');
    await this.#fill(stream, streamOf(event), event.seq, added, [event.at]);
    if (event.seq > place.last) this.#deliver(stream, event);
    this.journal.advance([event.at]);
  }

  /** Ends a replay: what gaps told of is read, and the heads of `ready` are reached. */
  async #complete(stream, at) {
    const until = new Map();
    for (const [id, { gaps }] of this.journal.places) if (gaps.length) until.set(id, gaps.at(-1).to);
    for (const { id, seq } of stream.heads) {
      if (this.journal.places.has(id)) until.set(id, Math.max(until.get(id) ?? 0, seq));
    }
    for (const [id, seq] of until) await this.#fill(stream, id, seq + 1, false, at);
    this.journal.advance(at);
    this.journal.epoch = stream.epoch;
    stream.resumed = Date.now();
    this.#tell('state', { state: 'resumed' });
  }

  /** Reads what is missing in a conversation before the seq next. */
  async #fill(stream, id, next, added, seen) {
    const place = this.journal.places.get(id);
    for (let missing; (missing = place.missing(next, added)); ) await this.#fetch(stream, id, place, missing, seen);
  }

  /**
   * Reads a stretch of a conversation over HTTP and hands it on. seen are
   * positions that the server's read models must have come to: else it may not
   * know yet that the user is a member.
   */
  async #fetch(stream, id, place, missing, seen) {
    const skip = (from) => {
      place.last = missing.to;
      this.#tell('skipped', id, from, missing.to);
    };
    if (id === this.journal.user) return skip(missing.from); // there is no such page of the user's own events
    while (place.last < missing.to) {
      const after = Math.max(place.last, missing.from - 1);
      const path = `/v1/conversations/${encodeURIComponent(id)}/events?limit=200&after=${after}`;
      const page = await this.#ask({ path, seen, has: 'items' }, () => !stream.ended).catch((error) => {
        if (error instanceof Refusal) return { items: [] };
        throw error;
      });
      if (page.items.length === 0) {
        place.out = true;
        return skip(after + 1);
      }
      for (const event of page.items) {
        if (event.seq > place.last && event.seq <= missing.to) this.#deliver(stream, event);
      }
    }
  }

  /** Hands an event on. It counts as seen when the handler has returned. */
  #deliver(stream, event) {
    if (event.event === 'message.sent') this.#stopTyping(stream, `${event.conversation_id} ${event.actor_id}`);
    this.#tell('event', event);
    this.journal.note(event);
  }

  // What is ephemeral

  /** Someone types until he does no more, sends a message, or it is not told again in time. */
  #hearTyping(stream, frame) {
    const typist = `${frame.conversation_id} ${frame.user_id}`;
    clearTimeout(stream.typists.get(typist));
    stream.typists.delete(typist);
    if (frame.on) stream.typists.set(typist, setTimeout(() => this.#stopTyping(stream, typist), frame.expires_in_ms));
    this.#tell('ephemeral', frame);
  }

  #stopTyping(stream, typist) {
    if (!stream.typists.has(typist)) return;
    clearTimeout(stream.typists.get(typist));
    stream.typists.delete(typist);
    const [conversation_id, user_id] = typist.split(' ');
    this.#tell('ephemeral', { type: 'typing', conversation_id, user_id, on: false });
  }

  /**
   * Tells the others of a conversation that the user types, or does no more. Call
   * it every 3 s while he does. It is lost unless the state is resumed: before,
   * the server may not know yet that he is in the conversation.
   */
  typing(conversation, on) {
    if (this.stream?.resumed) this.stream.send({ type: 'typing', conversation_id: conversation, on });
  }

  /** Sets what others see of this device, over all connections: online, away or offline. */
  presence(state) {
    this.present = state;
    this.stream?.send({ type: 'presence', state });
  }
}

/** One connection. */
class Stream {
  queue = []; // frames that wait to be handled
  typists = new Map(); // who types where, and the timer that ends it
  heads = [];
  news = () => {};

  open(url, opened) {
    this.socket = new WebSocket(url, 'ping.v1.json');
    this.socket.onopen = () => {
      if (!this.ended) opened();
    };
    this.socket.onmessage = ({ data }) => {
      this.heard = true;
      this.queue.push(JSON.parse(data));
      this.news();
    };
    this.socket.onerror = () => this.end({ code: 0, reason: 'the connection failed' });
    this.socket.onclose = ({ code, reason }) => this.end({ code, reason });
    this.watch(30_000);
  }

  /** Ends a connection on which nothing is heard for a whole heartbeat. A page cannot see the server's pings, so it asks. */
  watch(heartbeat) {
    clearInterval(this.watcher);
    this.heard = true;
    this.watcher = setInterval(() => {
      if (!this.heard) return this.end({ code: 0, reason: 'the server has fallen silent' });
      this.heard = false;
      this.send({ type: 'ping' });
    }, heartbeat);
  }

  send(frame) {
    if (!this.ended && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  /** Ends the connection. A socket whose other end is gone takes its time to close: nobody waits for it. */
  end(ending) {
    if (this.ended) return;
    this.ended = ending;
    clearInterval(this.watcher);
    this.socket?.close();
    this.news();
  }

  /** The frames, in order, to the end of the connection. */
  async *frames() {
    for (;;) {
      while (this.queue.length > 0) yield this.queue.shift();
      if (this.ended) return;
      await new Promise((resolve) => { this.news = resolve; });
    }
  }
}

/** How far the client has come, over all its connections. */
class Journal {
  epoch = 0; // of the log that the positions are in
  at = new Map(); // partition to the last position, '7' to '7:1042'
  places = new Map(); // by conversation, and the user's own stream by his id

  /** Moves the resume point. */
  advance(at) {
    for (const position of at) this.at.set(position.split(':')[0], position);
  }

  /** Notes where conversations stand when the client begins: what comes before is history. */
  begin(heads) {
    for (const { id, seq } of heads) if (!this.places.has(id)) this.places.set(id, new Place(seq));
  }

  /** Notes a gap. It is read later: a gap is told before the events of its partition, also before those that lie before it. */
  tell(id, gap) {
    if (!this.places.has(id)) this.places.set(id, new Place(0, true)); // he was added meanwhile
    this.places.get(id).gaps.push(gap);
    this.places.get(id).gaps.sort((a, b) => a.from - b.from);
  }

  /** Where the conversation of an event stands. One that is not known begins with it. */
  place(event) {
    const id = streamOf(event);
    if (!this.places.has(id)) this.places.set(id, new Place(event.seq - 1));
    return this.places.get(id);
  }

  /** Moves the place of an event's conversation to that event. */
  note(event) {
    const place = this.places.get(streamOf(event));
    place.last = event.seq;
    if (this.concerns(event, 'member.added')) place.out = false;
    else if (this.concerns(event, 'member.removed')) place.out = true;
  }

  /** Whether an event is of a type and about the user himself. */
  concerns(event, type) {
    return event.event === type && event.data.user_id === this.user;
  }
}

/** How far a conversation has come. */
class Place {
  gaps = []; // what the server will not replay, in order, until it was read

  /**
   * @param last the seq of the last event that was handed on, or is known not to be
   * @param out the user was removed: what happens until he is added again is not
   *   his to see, so a jump of seq up to there is no hole
   */
  constructor(last, out = false) {
    this.last = last;
    this.out = out;
  }

  /** The first stretch to read before the event with the seq next may be handed on; added: it adds the user. */
  missing(next, added) {
    while (this.gaps.length && this.gaps[0].to <= this.last) this.gaps.shift(); // it was read, and told twice
    const told = this.gaps.length > 0 && this.gaps[0].from < next;
    const until = told ? this.gaps[0].from - 1 : next - 1;
    if (this.last < until && !(this.out && (told || added))) return { from: this.last + 1, to: until }; // a hole
    if (told && this.last < next - 1) {
      return { from: Math.max(this.gaps[0].from, this.last + 1), to: Math.min(this.gaps[0].to, next - 1) };
    }
    return undefined;
  }
}

/** What the seq of an event or a gap counts in. */
function streamOf(frame) {
  return frame.conversation_id ?? frame.user_id;
}
