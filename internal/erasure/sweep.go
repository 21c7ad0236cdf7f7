package erasure

import (
	"context"
	"errors"
	"fmt"

	"ping/domain"
	"ping/internal/eventlog"
)

// places are the positions, by partition, of the events with personal data.
type places map[int][]int64

// joinedPage is the number of conversations per query.
const joinedPage = 500

// sweep appends the erasure to all streams of a user and overwrites their events. It
// returns the positions, including those of an earlier sweep, even if a part
// failed.
func (e *Eraser) sweep(ctx context.Context, user domain.ID) (places, error) {
	where := places{}
	if _, err := e.EraseUser(ctx, user); err != nil {
		return nil, err
	}
	e.reached("user erased")
	errs := []error{e.redact(ctx, user, user, where)}
	fleeting := e.ephemeral.ForgetPresence(ctx, user)
	for after := (domain.ID{}); ; {
		joined, err := e.log.JoinedConversations(ctx, user, after, joinedPage)
		if err != nil {
			return where, errors.Join(append(errs, err)...)
		}
		for _, conversation := range joined {
			after = conversation
			err := e.eraseMember(ctx, conversation, user)
			if err == nil {
				err = e.redact(ctx, conversation, user, where)
			}
			// Even after an error, since each shard may be on another server.
			if err := e.ephemeral.WithdrawAll(ctx, conversation, user); err != nil {
				fleeting = err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			errs = append(errs, err)
		}
		if len(joined) < joinedPage {
			errs = append(errs, e.ignoreExpired(ctx, user, fleeting))
			return where, errors.Join(errs...)
		}
	}
}

// ignoreExpired drops Redis errors once everything in Redis must have expired, so
// that a Redis that never returns does not prevent the erasure from finishing.
func (e *Eraser) ignoreExpired(ctx context.Context, user domain.ID, err error) error {
	if err == nil {
		e.reached("withdrawn")
		return nil
	}
	recent, failed := e.identities.ErasureIsRecent(ctx, user, e.cfg.Fleeting)
	if failed != nil {
		return failed
	}
	if !recent {
		return nil
	}
	return fmt.Errorf("withdraw stealth messages: %w", err)
}

// EraseUser appends user.erased unless it is there. It returns the end of the user's
// stream.
func (e *Eraser) EraseUser(ctx context.Context, user domain.ID) (eventlog.At, error) {
	done, err := eventlog.Execute(ctx, e.log, eventlog.Users, eventlog.Command{Stream: user, Actor: user},
		func(u *domain.User, _ int64) ([]domain.Event, error) { return u.Erase() })
	if err != nil {
		return eventlog.At{}, fmt.Errorf("erase user: %w", err)
	}
	return done.At, nil
}

// eraseMember appends member.erased and the events that must precede it, unless it is
// there.
func (e *Eraser) eraseMember(ctx context.Context, conversation, user domain.ID) error {
	_, err := eventlog.Execute(ctx, e.log, eventlog.Conversations, eventlog.Command{Stream: conversation, Actor: user},
		func(c *domain.Conversation, _ int64) ([]domain.Event, error) {
			return c.EraseMember(domain.EraseMember{UserID: user})
		})
	if err != nil {
		return fmt.Errorf("erase member of %s: %w", conversation, err)
	}
	e.reached("member erased")
	return nil
}

func (e *Eraser) redact(ctx context.Context, stream, user domain.ID, where places) error {
	positions, err := e.log.Redact(ctx, stream, user)
	if err != nil {
		return err
	}
	e.reached("redacted")
	partition := e.log.PartitionOf(stream)
	where[partition] = append(where[partition], positions...)
	return nil
}

func (e *Eraser) unmirror(ctx context.Context, where places) error {
	for partition, positions := range where {
		if err := e.log.DeleteMirrored(ctx, partition, positions); err != nil {
			return err
		}
		e.reached("unmirrored")
	}
	return nil
}

// mark notes the end of a pass: the first, or the second, which finishes the erasure.
func (e *Eraser) mark(ctx context.Context, user domain.ID) error {
	if err := e.identities.MarkErasure(ctx, user); err != nil {
		return err
	}
	e.reached("marked")
	e.logger.Info("erasure pass complete", "user_id", user.String())
	return nil
}
