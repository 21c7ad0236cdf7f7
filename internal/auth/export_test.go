package auth

import "ping/domain"

// EndSession refuses a session, as Revocations does when one has ended.
func (t *Tokens) EndSession(session domain.ID) { t.revoked.add(SessionEnded, session, t.now()) }
