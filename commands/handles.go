package commands

import (
	"context"
	"errors"

	"ping/domain"
	"ping/internal/eventlog"
)

// changeHandle claims a handle before the event says that the user has it, and
// releases the user's other handles afterwards: two users never have the same one.
// Changes of a user are serialized over all nodes. Therefore a handle other than
// the one in the user's stream is left from a change that was refused or
// interrupted, and can be released.
func (c *accounts) changeHandle(ctx context.Context, user domain.ID, handle string, change func(free bool) (eventlog.Result, error)) (done eventlog.Result, err error) {
	unlock, err := c.Identities.LockHandles(ctx, user)
	if err != nil {
		return done, err
	}
	defer unlock()
	free := true
	if handle != "" {
		if free, err = c.Identities.ClaimHandle(ctx, user, handle); err != nil {
			return done, err
		}
	}
	done, err = change(free)
	var refusal *domain.Error
	if err != nil && !errors.As(err, &refusal) && !errors.Is(err, eventlog.ErrKeyReused) {
		return done, err // it may have happened: the next change sees
	}
	profile, _, failed := c.profile(ctx, user)
	if failed == nil {
		failed = c.Identities.KeepHandle(ctx, user, profile.Handle)
	}
	return done, errors.Join(err, failed)
}
