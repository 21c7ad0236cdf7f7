// Runs a client for a test: commands come in as lines of JSON, what the client
// tells goes out so. See cmd/ping/js_client_test.go.
import { createInterface } from 'node:readline';
import { Client } from './ping.js';

const tell = (news) => process.stdout.write(`${JSON.stringify(news)}\n`);
let client;

const commands = {
  start({ server, session }) {
    client = new Client(server, session, {
      event: (event) => tell({ told: 'event', event }),
      state: (state) => tell({ told: 'state', ...state }),
      reset: () => tell({ told: 'reset' }),
      skipped: (id, from, to) => tell({ told: 'skipped', id, from, to }),
      ephemeral: (frame) => tell({ told: 'ephemeral', frame }),
      session: (changed) => tell({ told: 'session', session: changed }),
    }, { firstPause: 5, longestPause: 200 });
    client.start();
  },
  send({ conversation, body }) {
    client.send(conversation, body).then(
      ({ id }) => tell({ told: 'settled', body, outcome: id }),
      ({ code }) => tell({ told: 'settled', body, outcome: code }),
    );
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
client?.stop();
process.exit(0);
