package commands

import (
	"context"

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

// changeProfile changes what others see of the caller. A handle is claimed
// before the event says so, and the one before it is let go afterwards: at no
// moment do two users have the same.
func (c *commands) changeProfile(ctx context.Context, in *changeProfileInput) (*userOutput, error) {
	user := web.CallerFrom(ctx).UserID
	change, err := domain.ChangeProfile{
		DisplayName: in.Body.DisplayName, Handle: in.Body.Handle, Bio: in.Body.Bio, AvatarURL: in.Body.AvatarURL,
	}.Clean()
	if err != nil {
		return nil, err
	}
	if change.Handle != nil && *change.Handle != "" {
		claimed, err := c.identities.claimHandle(ctx, user, *change.Handle)
		if err != nil {
			return nil, err
		}
		if !claimed {
			return nil, domain.ErrHandleTaken
		}
	}
	done, err := eventlog.Execute(ctx, c.log, eventlog.Users, command(user, user, in.Key, in.Request()),
		func(u *domain.User, _ int64) ([]domain.Event, error) { return u.ChangeProfile(change) })
	if err != nil {
		return nil, err
	}
	if change.Handle != nil {
		if err := c.releaseOldHandles(ctx, user); err != nil {
			return nil, err
		}
	}
	profile, _, err := c.profile(ctx, user)
	if err != nil {
		return nil, err
	}
	return &userOutput{Written: written(done), Body: profile}, nil
}

// releaseOldHandles lets go of the handles that the user's stream says he had,
// but for the one he has: also of those that a crash kept from being let go.
func (c *commands) releaseOldHandles(ctx context.Context, user domain.ID) error {
	had := map[string]bool{}
	current := ""
	err := c.walkUser(ctx, user, func(e domain.Event, _ *eventlog.Event) {
		if changed, ok := e.(domain.ProfileChanged); ok && changed.Handle != nil {
			current = *changed.Handle
			had[current] = true
		}
	})
	if err != nil {
		return err
	}
	delete(had, current)
	old := make([]string, 0, len(had))
	for handle := range had {
		old = append(old, handle)
	}
	if len(old) == 0 {
		return nil
	}
	return c.identities.releaseHandles(ctx, user, old)
}
