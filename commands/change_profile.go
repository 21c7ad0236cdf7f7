package commands

import (
	"context"
	"errors"
	"time"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type changeProfileInput struct {
	web.Write
	Body struct {
		DisplayName *string `json:"display_name,omitempty" doc:"1-100 characters after trimming; absent: as it is." example:"Ada"`
		Handle      *string `json:"handle,omitempty" doc:"2-32 characters out of a-z, 0-9 and _, in any case; nobody else's; empty: none." example:"ada"`
		Bio         *string `json:"bio,omitempty" doc:"At most 500 characters; empty: none." example:"Counts."`
		AvatarURL   *string `json:"avatar_url,omitempty" doc:"An https address; empty: none." example:"https://example.org/ada.png"`
	}
}

type userOutput struct {
	web.Written
	Body web.User
}

// changeProfile changes what others see of the caller.
func (c *commands) changeProfile(ctx context.Context, in *changeProfileInput) (*userOutput, error) {
	user := web.CallerFrom(ctx).UserID
	change, err := domain.ChangeProfile{
		DisplayName: in.Body.DisplayName, Handle: in.Body.Handle, Bio: in.Body.Bio, AvatarURL: in.Body.AvatarURL,
	}.Clean()
	if err != nil {
		return nil, err
	}
	cmd := command(user, user, in.Key, in.Request())
	var done eventlog.Result
	if change.Handle == nil {
		done, err = eventlog.Execute(ctx, c.log, eventlog.Users, cmd,
			func(u *domain.User, _ int64) ([]domain.Event, error) { return u.ChangeProfile(change) })
	} else {
		done, err = c.changeHandle(ctx, cmd, change)
	}
	if err != nil {
		return nil, err
	}
	profile, _, err := c.profile(ctx, user)
	if err != nil {
		return nil, err
	}
	return &userOutput{Written: written(done), Body: profile}, nil
}

// errOvertaken says that the user's stream went on after a handle was claimed.
var errOvertaken = errors.New("overtaken by another change")

// changeHandle changes a profile with its handle. The handle is claimed before
// the event says so, and the one before it is let go afterwards: at no moment
// do two users have the same.
//
// A user may change his handle several times at once. So a claim counts only if
// it was made after the stream's last event before the change; and what was
// claimed before the last change, and is not what that says, is nobody's need.
func (c *commands) changeHandle(ctx context.Context, cmd eventlog.Command, change domain.ChangeProfile) (eventlog.Result, error) {
	for {
		before, err := c.handleOf(ctx, cmd.Actor)
		if err != nil {
			return eventlog.Result{}, err
		}
		done, err := c.claimAndChange(ctx, cmd, change, before.version)
		if errors.Is(err, errOvertaken) {
			continue
		}
		if err != nil {
			return done, err
		}
		now, err := c.handleOf(ctx, cmd.Actor)
		if err != nil {
			return done, err
		}
		return done, c.identities.releaseHandles(ctx, cmd.Actor, now.handle, now.since)
	}
}

// claimAndChange tries to change a profile whose stream has the version.
func (c *commands) claimAndChange(ctx context.Context, cmd eventlog.Command, change domain.ChangeProfile, version int64) (done eventlog.Result, err error) {
	var claimed claim
	free := true
	if *change.Handle != "" {
		if claimed, free, err = c.identities.claimHandle(ctx, cmd.Actor, *change.Handle); err != nil {
			return done, err
		}
	}
	done, err = eventlog.Execute(ctx, c.log, eventlog.Users, cmd, func(u *domain.User, now int64) ([]domain.Event, error) {
		events, err := u.ChangeProfile(change)
		switch {
		case err != nil:
			return nil, err
		case now != version:
			return nil, errOvertaken
		case !free: // asked last: a retry answers as the first time, whose the handle may be now
			return nil, domain.ErrHandleTaken
		}
		return events, nil
	})
	var refused *domain.Error
	if claimed.new && (done.Replayed || errors.As(err, &refused) || errors.Is(err, eventlog.ErrKeyReused)) {
		err = errors.Join(err, c.identities.withdrawClaim(ctx, cmd.Actor, *change.Handle, claimed))
	}
	return done, err
}

// handleState is what the log says of a user's handle.
type handleState struct {
	version int64 // of the user's stream
	handle  string
	since   time.Time // when it was set last; zero: never
}

func (c *commands) handleOf(ctx context.Context, user domain.ID) (s handleState, err error) {
	err = c.walkUser(ctx, user, func(e domain.Event, recorded *eventlog.Event) {
		s.version = recorded.Version
		if changed, ok := e.(domain.ProfileChanged); ok && changed.Handle != nil {
			s.handle, s.since = *changed.Handle, recorded.RecordedAt
		}
	})
	return s, err
}
