package auth

import "ping/domain"

// EndedSQL is read by each node every few seconds.
const EndedSQL = endedSQL

// EndSession refuses a session, as Endings does when one has ended.
func (t *Tokens) EndSession(session domain.ID) { t.revoked.add(SessionEnded, session, t.now()) }
