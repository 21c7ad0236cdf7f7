// Package projections derives the read models from the log.
//
// A projection is a folder of SQL. schema.sql makes its tables, in the Postgres
// schema named after the folder. apply.sql applies a batch of events to them: the
// body of a PL/pgSQL block, with set-based statements, and IF where it saves work,
// over the view batch:
//
//	partition, position, stream, version, id, type, schema,
//	recorded_at, actor, correlation_id, causation_id, payload (json)
//
// A batch holds events of any number of partitions: of each the next ones, in
// order. All events of a stream are in one partition; the order between partitions
// is undefined. apply.sql must produce the same tables however the log is cut into
// batches. Statements run with plans by index only (see applierSQL): join the batch
// to tables on their keys, and read it rarely, since each reading costs about half
// a microsecond per event.
//
// # Exactly once
//
// One transaction applies a batch and moves the checkpoints of its partitions.
// It first locks them, and fails at once if they are not where the runner expects
// them (the fence). So whatever happens to nodes and connections, each event is
// applied once, in order, or not yet.
//
// # Who applies what
//
// Each node has one connection per projection. Partitions are leased by advisory
// locks of that connection's session, distributed equally among the nodes, and
// released when the connection ends. One transaction covers all partitions of a
// node that have new events.
//
// The log wakes the runner; only the leases are polled. Batches of a projection
// start at least Config.Interval apart, so that they become larger and cheaper
// under load. A projection that may lag behind a burst of messages has a longer
// Interval of its own. Read models lag by that time.
//
// # Failures
//
//	a batch's data is refused    halved down to the event; live: the event is parked with its
//	                             error, and the projection continues; rebuild: stops there
//	any other error              nothing was applied; a new connection retries, with backoff
//	another node was faster      the fence fails; the checkpoints are read again
//	a node dies                  its leases end with its connection; others take them
//	Postgres crashes             the last batches may be lost, each with its checkpoint
//	the SQL was changed          logged at start, until the projection is rebuilt
//
// # Rebuild
//
// Rebuild applies the whole log to a second schema, partitions in parallel and
// without the indexes that only readers need. When it has nearly caught up, one
// transaction locks the live checkpoints, applies the rest, and renames the
// schemas. Positions never decrease for a reader.
package projections
