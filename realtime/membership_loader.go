package realtime

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/postgres"
)

// membershipLoader reads the memberships of users whose sockets start. Requests that
// arrive while a query runs are batched into the next one: a query for many users
// costs little more than one for a single user, and takes one connection.
type membershipLoader struct {
	pool  *pgxpool.Pool
	log   *eventlog.Log
	asked chan loadRequest
}

type loadRequest struct {
	user   domain.ID
	answer chan<- loadResult
}

type loadResult struct {
	known *memberships
	err   error
}

func newMembershipLoader(pool *pgxpool.Pool, log *eventlog.Log) *membershipLoader {
	return &membershipLoader{pool: pool, log: log, asked: make(chan loadRequest)}
}

// of returns the memberships of a user.
func (s *membershipLoader) of(ctx context.Context, user domain.ID) (*memberships, error) {
	answered := make(chan loadResult, 1)
	select {
	case s.asked <- loadRequest{user, answered}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-answered:
		return a.known, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run answers requests until ctx ends.
func (s *membershipLoader) run(ctx context.Context) error {
	for {
		requests, users := s.gather(ctx)
		if ctx.Err() != nil {
			return nil
		}
		bounded, cancel := context.WithTimeout(ctx, snapshotWait)
		known, err := loadMemberships(bounded, s.pool, s.log, users)
		cancel()
		for i, q := range requests {
			if err != nil {
				q.answer <- loadResult{err: err}
			} else {
				q.answer <- loadResult{known: known[i]}
			}
		}
	}
}

// gather waits for a request and takes those that already wait.
func (s *membershipLoader) gather(ctx context.Context) (requests []loadRequest, users []domain.ID) {
	take := func(q loadRequest) { requests, users = append(requests, q), append(users, q.user) }
	select {
	case q := <-s.asked:
		take(q)
	case <-ctx.Done():
		return nil, nil
	}
	for len(requests) < snapshotUsers {
		select {
		case q := <-s.asked:
			take(q)
		default:
			return requests, users
		}
	}
	return requests, users
}

// One statement is one snapshot: the rows are those at the checkpoints. OFFSET makes
// the planner look up each user and conversation, whatever it assumes about the
// sizes of tables. The first column is the number of the user; 0 is for partitions.
const readMemberships = `
WITH users AS (SELECT * FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, number))
SELECT 0, NULL::uuid, h.partition, coalesce(c.position, 0), 0::bigint, false, 0::bigint, h.position
  FROM log.heads AS h LEFT JOIN projections.checkpoints AS c ON c.projection = 'inbox' AND c.partition = h.partition
UNION ALL
SELECT u.number, m.conversation_id, 0, m.joined_seq, coalesce(m.removed_seq, 0), m.role = 'reader', coalesce(s.version, 0), coalesce(s.position, 0)
  FROM users AS u
 CROSS JOIN LATERAL (SELECT conversation_id, joined_seq, removed_seq, role FROM inbox.members WHERE user_id = u.id OFFSET 0) AS m
  LEFT JOIN LATERAL (SELECT version, position FROM log.streams WHERE stream = m.conversation_id OFFSET 0) AS s ON true
UNION ALL
SELECT u.number, u.id, 0, 0, 0, false, coalesce(s.version, 0), coalesce(s.position, 0)
  FROM users AS u
  LEFT JOIN LATERAL (SELECT version, position FROM log.streams WHERE stream = u.id OFFSET 0) AS s ON true`

// loadMemberships reads the memberships of users from the inbox, in the order of the
// users. Without an inbox, nothing is known as of position 0: the rest is read from
// the log.
func loadMemberships(ctx context.Context, pool *pgxpool.Pool, log *eventlog.Log, users []domain.ID) ([]*memberships, error) {
	ids := make([][16]byte, len(users))
	known := make([]*memberships, len(users))
	for i, user := range users {
		ids[i], known[i] = user, &memberships{own: unknownTip}
	}
	positions, ends := make([]int64, log.Partitions()), make([]int64, log.Partitions())
	rows, err := pool.Query(ctx, readMemberships, ids)
	if err == nil {
		err = eachMembership(rows, log, users, known, positions, ends)
	}
	if err != nil && !postgres.IsUndefinedTable(err) {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	for _, m := range known {
		m.positions, m.ends = slices.Clone(positions), ends
		slices.SortFunc(m.sources, byPlace)
	}
	return known, nil
}

// eachMembership assigns the rows to users and partitions.
func eachMembership(rows pgx.Rows, log *eventlog.Log, users []domain.ID, known []*memberships, positions, ends []int64) error {
	var number, position, removed int64
	var partition int
	var id pgtype.UUID
	var reader bool
	var last tip
	_, err := pgx.ForEachRow(rows, []any{&number, &id, &partition, &position, &removed, &reader, &last.version, &last.position}, func() error {
		switch {
		case number == 0:
			if partition >= 0 && partition < len(positions) {
				positions[partition], ends[partition] = position, last.position
			}
		case id.Bytes == users[number-1]:
			known[number-1].own = last
		default:
			m := known[number-1]
			m.sources = append(m.sources, source{
				id: id.Bytes, partition: log.PartitionOf(id.Bytes), tip: last,
				spans: membership{{from: position, to: removed, reader: reader}},
			})
		}
		return nil
	})
	return err
}
