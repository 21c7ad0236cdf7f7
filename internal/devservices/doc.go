// Package devservices runs what Ping stands on, privately: Postgres and Redis as child
// processes from the real binaries, and NATS with JetStream inside this process.
// `ping dev` and the tests use the same code; production brings its own.
//
// # Children
//
// A child runs in a process group of its own, so Ctrl-C in a terminal reaches
// only this process, which then ends its children in the order it wants. On
// Linux the kernel also ends a child whose parent was killed. Elsewhere, and
// when that did not happen in time, the next start finds the earlier process by
// the pid file in its folder and ends it first.
//
// # Users
//
// Postgres refuses to run as root. Started by root, it runs as the owner of its
// data or, for a new folder, as user postgres, else nobody. When that user could
// not reach the folder (one below /root, say) Postgres is given the one
// capability that lets it pass: CAP_DAC_READ_SEARCH, else CAP_DAC_OVERRIDE.
//
// # Sockets
//
// Postgres and Redis listen on Unix sockets in folders that only their user may
// enter, so they need no password there. Postgres listens on loopback as well,
// for tools that know no Unix sockets; that way in asks for the password in the
// folder. NATS has no Unix sockets: its loopback port asks for a password too.
package devservices
