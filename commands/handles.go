package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/eventlog"
)

// handleChanges is how many handles change at a time on a node: each holds a
// connection while it needs another.
const handleChanges = 4

// changeHandle claims a handle before the event says that the user has it, and
// releases the user's other handles afterwards: two users never have the same one.
// Changes of a user are serialized over all nodes. Therefore a handle other than
// the one in the user's stream is left from a change that was refused or
// interrupted, and can be released.
func (c *commands) changeHandle(ctx context.Context, user domain.ID, handle string, change func(free bool) (eventlog.Result, error)) (done eventlog.Result, err error) {
	unlock, err := c.identities.lockHandles(ctx, user)
	if err != nil {
		return done, err
	}
	defer unlock()
	free := true
	if handle != "" {
		if free, err = c.identities.claimHandle(ctx, user, handle); err != nil {
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
		failed = c.identities.keepHandle(ctx, user, profile.Handle)
	}
	return done, errors.Join(err, failed)
}

// lockHandles waits for the right to change a user's handles.
func (i *identities) lockHandles(ctx context.Context, user domain.ID) (unlock func(), err error) {
	select {
	case i.handles <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	tx, err := i.pool.Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('handles of ' || $1::text, 0))`, user.String())
	}
	unlock = func() {
		if tx != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			_ = tx.Rollback(ctx) // whatever it says, the lock ends with the transaction or its connection
		}
		<-i.handles
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("lock handles: %w", err)
	}
	return unlock, nil
}

// byHandles returns the users of handles, in their order; handles that nobody
// has are left out.
func (i *identities) byHandles(ctx context.Context, handles []string) ([]domain.ID, error) {
	rows, _ := i.pool.Query(ctx, `
SELECT h.user_id FROM unnest($1::text[]) WITH ORDINALITY AS asked (handle, idx)
  JOIN identity.handles h ON h.handle = asked.handle ORDER BY asked.idx`, handles)
	users, err := pgx.CollectRows(rows, scanID)
	if err != nil {
		return nil, fmt.Errorf("look up handles: %w", err)
	}
	return users, nil
}

// claimHandle gives a handle to a user who may have had it already; false when
// it is another's.
func (i *identities) claimHandle(ctx context.Context, user domain.ID, handle string) (bool, error) {
	tag, err := i.pool.Exec(ctx, `
INSERT INTO identity.handles AS h (handle, user_id)
SELECT $2, c.user_id FROM identity.credentials c WHERE c.user_id = $1
    ON CONFLICT ON CONSTRAINT handles_pkey DO UPDATE SET user_id = $1 WHERE h.user_id = $1`, [16]byte(user), handle)
	if err != nil {
		return false, fmt.Errorf("claim handle: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// keepHandle lets go of all handles of a user but one; nil keeps none.
func (i *identities) keepHandle(ctx context.Context, user domain.ID, handle *string) error {
	_, err := i.pool.Exec(ctx, `DELETE FROM identity.handles WHERE user_id = $1 AND handle IS DISTINCT FROM $2`, [16]byte(user), handle)
	if err != nil {
		return fmt.Errorf("let go of handles: %w", err)
	}
	return nil
}
