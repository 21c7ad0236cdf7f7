package readapi

import (
	"context"

	"ping/domain"
	"ping/internal/ephemeral"
	"ping/internal/web"
)

type listStealthInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	Cursor         string    `query:"cursor" doc:"The next of the previous page."`
}

// listStealth lists the stealth messages that have not expired, newest first.
func (r *reads) listStealth(ctx context.Context, in *listStealthInput) (*output[web.Page[ephemeral.Stealth]], error) {
	before, err := decodeIDCursor("stealth", in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, in.Read, inbox); err != nil {
		return nil, err
	}
	// Checked before, too: an outsider must not learn from an outage of Redis that the conversation exists.
	if err := r.requireMember(ctx, in.ConversationID); err != nil {
		return nil, err
	}
	existing, err := r.ephemeral.Alive(ctx, in.ConversationID, before, in.Limit.Limit+1)
	if err == nil {
		err = r.requireMember(ctx, in.ConversationID)
	}
	return answer(page(existing, in.Limit.Limit, func(m ephemeral.Stealth) ephemeral.Stealth { return m },
		func(m ephemeral.Stealth) string { return encodeCursor("stealth", m.ID.String()) }), err)
}
