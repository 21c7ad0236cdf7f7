package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/eventlog"
)

// what a change is.
type changeKind int

const (
	added changeKind = iota
	roleChanged
	removed
)

// change is one event that began or ended a membership, or gave it another role.
type change struct {
	position     int64
	version      int64 // of the conversation's stream
	conversation domain.ID
	user         domain.ID
	is           changeKind
	reader       bool // may not write from now on
}

// changeOf returns the change that an event makes, if it makes one.
func changeOf(e *eventlog.Event, logger *slog.Logger) (change, bool) {
	if !strings.HasPrefix(e.Type, "member.") {
		return change{}, false
	}
	c := change{position: e.Position, version: e.Version, conversation: e.Stream}
	decoded, err := domain.DecodeEvent(e.Type, e.Schema, e.Payload)
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

// changes are the latest membership changes of a partition: all those after
// the position since. A socket that starts brings its membership up to date
// from them, so that a lagging projection costs it no read of the log.
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

// span is a stretch of a conversation's versions that its member may see, from
// the event that added him to the one that removed him; to is 0 while he is a
// member.
type span struct {
	from, to int64
	reader   bool // he may not write; of the last span alone
}

// membership is a user's part in a conversation: spans in order. Those before
// the first are unknown: the read model keeps the latest only.
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

// memberships is what is known of a user's conversations: of those in a
// partition as of positions[partition].
type memberships struct {
	positions []int64
	of        []map[domain.ID]membership // by partition
	ends      []int64                    // the log's, by partition, in the same snapshot
	tips      map[domain.ID]tip          // of the conversations and the user's own stream, likewise
}

func (m *memberships) set(partition int, conversation domain.ID, spans membership) {
	if m.of[partition] == nil {
		m.of[partition] = map[domain.ID]membership{}
	}
	m.of[partition][conversation] = spans
}

// apply brings the memberships of a partition up to a change.
func (m *memberships) apply(partition int, c change) {
	if changed := m.of[partition][c.conversation].apply(c); len(changed) > 0 {
		m.set(partition, c.conversation, changed)
	}
	m.positions[partition] = c.position
}

// One statement is one snapshot: the rows are those at the checkpoints. OFFSET
// keeps the planner to a look-up a conversation, whatever it believes of the
// tables' sizes.
const readMemberships = `
SELECT NULL::uuid, h.partition, coalesce(c.position, 0), NULL::bigint, false, 0::bigint, h.position
  FROM log.heads AS h LEFT JOIN projections.checkpoints AS c ON c.projection = 'inbox' AND c.partition = h.partition
UNION ALL
SELECT m.conversation_id, 0, m.joined_seq, m.removed_seq, m.role = 'reader', coalesce(s.version, 0), coalesce(s.position, 0)
  FROM inbox.members AS m
  LEFT JOIN LATERAL (SELECT version, position FROM log.streams WHERE stream = m.conversation_id OFFSET 0) AS s ON true
 WHERE m.user_id = $1
UNION ALL
SELECT $1, 0, 0, NULL, false, coalesce(max(version), 0), coalesce(max(position), 0) FROM log.streams WHERE stream = $1`

// loadMemberships reads a user's memberships from the inbox. Where there is no
// inbox yet, nothing is known as of position 0: the log tells the rest.
func loadMemberships(ctx context.Context, pool *pgxpool.Pool, log *eventlog.Log, user domain.ID) (*memberships, error) {
	partitions := log.Partitions()
	m := &memberships{
		positions: make([]int64, partitions), of: make([]map[domain.ID]membership, partitions),
		ends: make([]int64, partitions), tips: map[domain.ID]tip{},
	}
	rows, err := pool.Query(ctx, readMemberships, [16]byte(user))
	if err == nil {
		var conversation *[16]byte
		var partition int
		var position int64
		var removed *int64
		var reader bool
		var last tip
		_, err = pgx.ForEachRow(rows, []any{&conversation, &partition, &position, &removed, &reader, &last.version, &last.position}, func() error {
			if conversation == nil {
				if partition >= 0 && partition < partitions {
					m.positions[partition], m.ends[partition] = position, last.position
				}
				return nil
			}
			m.tips[*conversation] = last
			if *conversation == user {
				return nil
			}
			s := span{from: position, reader: reader}
			if removed != nil {
				s.to = *removed
			}
			m.set(log.PartitionOf(*conversation), *conversation, membership{s})
			return nil
		})
	}
	if err != nil && !noInbox(err) {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	return m, nil
}

// noInbox reports whether an error says that the tables do not exist.
func noInbox(err error) bool {
	const undefinedTable = "42P01"
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == undefinedTable
}
