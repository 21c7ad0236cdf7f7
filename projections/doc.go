// Package projections keeps the read models up with the log.
//
// A projection is a folder of SQL. schema.sql makes its tables; they live in
// the Postgres schema named after the folder. apply.sql is what a batch of
// events does to them: the body of a PL/pgSQL block, set-based statements and
// IF where it saves work, over the view batch:
//
//	partition, position, stream, version, id, type, schema,
//	recorded_at, actor, correlation_id, causation_id, payload (json)
//
// A batch holds events of any number of partitions, from each the next ones in
// order. All events of a stream are in one partition; nothing is promised about
// the order between partitions. apply.sql must give the same tables however
// the log is cut into batches. Statements run with plans by index only (see
// applierSQL): join the batch to tables on their keys, and read the batch as
// few times as you can, each time costs about half a microsecond an event.
//
// # Exactly once
//
// One transaction applies a batch and moves the checkpoints of its partitions.
// It begins by locking them, and fails at once if they are not where the
// runner believes them to be (the fence). So whatever happens to nodes and
// connections, each event is applied once, in order, or not yet.
//
// # Who applies what
//
// Each node has a connection a projection. Partitions are leased by advisory
// locks of that connection's session, shared out equally among the nodes, and
// free again the moment the connection ends. One transaction covers all
// partitions of a node that have something new.
//
// The log wakes the runner; there is no polling but the slow look at the
// leases. Batches of a projection begin at least Config.Interval apart, so that
// under load they get larger and cheaper; those of a projection that nobody
// waits for while messages come in fast, its own Interval. The read positions
// may trail by that.
//
// # Failures
//
//	a batch's data is refused    halved down to the event; live: parked with its error, and
//	                             the projection goes on without it; rebuild: stops, says where
//	any other error              nothing was applied; a new connection tries again, with pauses
//	another node was faster      the fence: the checkpoints are read again
//	a node dies                  its leases end with its connection; others take them
//	Postgres crashes             the last batches may be lost, each with its checkpoint
//	the SQL was changed          said in the log at start, until the projection is rebuilt
//
// # Rebuild
//
// Rebuild applies the whole log to a schema beside the live one, partitions in
// parallel and without the indexes that only readers need. When it has nearly
// caught up, one transaction locks the live checkpoints, applies the rest, and
// renames the schemas. Positions never go back for a reader.
package projections
