package realtime

import (
	"errors"
	"log/slog"
	"slices"
	"strings"

	"ping/domain"
	"ping/internal/eventlog"
)

// The kinds of changes.
type changeKind int

const (
	added changeKind = iota
	roleChanged
	removed
)

// change is an event that started or ended a membership, or changed its role.
type change struct {
	position     int64
	version      int64 // of the conversation's stream
	conversation domain.ID
	user         domain.ID
	is           changeKind
	reader       bool // may not write from now on
}

// changeOf returns the change of an event, if it is one.
func changeOf(e *eventlog.Event, logger *slog.Logger) (change, bool) {
	if !strings.HasPrefix(e.Type, "member.") {
		return change{}, false
	}
	c := change{position: e.Position, version: e.Version, conversation: e.Stream}
	decoded, err := e.Decode()
	if err != nil && !errors.Is(err, domain.ErrUnknownEvent) {
		logger.Error("membership event is unreadable", "partition", e.Partition, "position", e.Position, "error", err)
	}
	switch m := decoded.(type) {
	case domain.MemberAdded:
		c.user, c.is, c.reader = m.UserID, added, m.Role == domain.RoleReader
	case domain.MemberRoleChanged:
		c.user, c.is, c.reader = m.UserID, roleChanged, m.Role == domain.RoleReader
	case domain.MemberRemoved:
		c.user, c.is = m.UserID, removed
	default:
		return change{}, false
	}
	return c, true
}

// ofUser reports whether an event is in a user's stream.
func ofUser(e *eventlog.Event) bool { return strings.HasPrefix(e.Type, "user.") }

// changes are the latest membership changes of a partition: all those after the
// position since. A socket that starts applies them to its memberships, so that a
// lagging projection does not cost a read of the log.
type changes struct {
	since int64
	list  []change
}

func (c *changes) add(one change) {
	if len(c.list) == maxChanges {
		half := maxChanges / 2
		c.since = c.list[half-1].position
		c.list = append(c.list[:0], c.list[half:]...)
	}
	c.list = append(c.list, one)
}

// after returns the changes after a position, oldest first.
func (c *changes) after(position int64) []change {
	i, _ := slices.BinarySearchFunc(c.list, position+1, func(one change, at int64) int { return int(one.position - at) })
	return c.list[i:]
}

// span is a range of a conversation's versions that a member may see, from the event
// that added them to the one that removed them; to is 0 while they are a member.
type span struct {
	from, to int64
	reader   bool // may not write; of the last span only
}

// membership has a user's spans of a conversation, in order. Earlier ones than the
// first may be missing, since the read model has the latest only.
type membership []span

func (m membership) current() bool { return len(m) > 0 && m[len(m)-1].to == 0 }

func (m membership) reader() bool { return m[len(m)-1].reader }

// apply returns the membership after a change.
func (m membership) apply(c change) membership {
	switch {
	case c.is == added && !m.current():
		return append(m, span{from: c.version, reader: c.reader})
	case c.is == roleChanged && m.current():
		m[len(m)-1].reader = c.reader
	case c.is == removed && m.current():
		m[len(m)-1].to = c.version
	}
	return m
}

// clip returns the parts of the spans within (after, upTo].
func (m membership) clip(after, upTo int64) []span {
	var parts []span
	for _, s := range m {
		to := s.to
		if to == 0 {
			to = upTo
		}
		if from, to := max(s.from, after+1), min(to, upTo); from <= to {
			parts = append(parts, span{from: from, to: to})
		}
	}
	return parts
}
