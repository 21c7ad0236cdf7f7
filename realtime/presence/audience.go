package presence

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/postgres"
	"ping/realtime/protocol"
)

// The members of a large conversation would receive changes all the time.
const audienceSQL = `
SELECT m.user_id, m.conversation_id
  FROM inbox.members m
  JOIN inbox.conversations c ON c.id = m.conversation_id
 WHERE m.user_id = ANY($1) AND m.removed_seq IS NULL AND c.member_count <= $2`

// audience returns the conversations whose members receive the presence of users.
// Where there is no inbox yet, it is empty.
func (s *Service) audience(ctx context.Context, users []domain.ID) (map[domain.ID][]domain.ID, error) {
	rows, _ := s.pool.Query(ctx, audienceSQL, users, protocol.PresenceMembers)
	found := map[domain.ID][]domain.ID{}
	var user, conversation domain.ID
	_, err := pgx.ForEachRow(rows, []any{&user, &conversation}, func() error {
		found[user] = append(found[user], conversation)
		return nil
	})
	if err != nil && !postgres.IsUndefinedTable(err) {
		return nil, fmt.Errorf("read the audience of presence: %w", err)
	}
	return found, nil
}
