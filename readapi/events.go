package readapi

import (
	"context"
	"encoding/json"
	"strconv"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type listEventsInput struct {
	Read
	Limit
	ConversationID domain.ID `path:"conversation_id"`
	After          int64     `query:"after" minimum:"0" doc:"A seq; the page has the events after it. Pass the next of the previous page."`
}

// listEvents reads the log, which is ahead of the read models.
func (r *reads) listEvents(ctx context.Context, in *listEventsInput) (*output[web.Page[json.RawMessage]], error) {
	if err := r.wait(ctx, in.Read, inbox); err != nil {
		return nil, err
	}
	events, err := r.log.ReadStream(ctx, in.ConversationID, in.After, in.Limit.Limit+1)
	if err == nil {
		err = r.requireMember(ctx, in.ConversationID)
	}
	return answer(page(events, in.Limit.Limit, func(e *eventlog.Event) json.RawMessage { return e.Frame },
		func(e *eventlog.Event) string { return strconv.FormatInt(e.Version, 10) }), err)
}
