package eventlog

// The SQL expressions here let a query of a read model ask the log too, in one statement. Their arguments are SQL
// expressions themselves.

// RemovedSinceSQL tells whether the log has removed a user from a conversation after a version. It costs one probe at
// the end of an index.
func RemovedSinceSQL(conversation, version, user string) string {
	return `coalesce((
		SELECT e.type <> 'member.added' FROM log.events e
		 WHERE e.stream = ` + conversation + ` AND e.version > ` + version + ` AND e.decisive
		   AND e.type IN ('member.added', 'member.removed', 'member.erased') AND (e.payload->>'user_id')::uuid = ` + user + `
		 ORDER BY e.version DESC LIMIT 1), false)`
}

// VersionSQL is the version of an event in its stream; null if the stream has no such event.
func VersionSQL(stream, event string) string {
	return `(SELECT e.version FROM log.events e WHERE e.id = ` + event + ` AND e.stream = ` + stream + `)`
}
