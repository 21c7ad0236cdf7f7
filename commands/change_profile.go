package commands

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ping/domain"
	"ping/internal/eventlog"
	"ping/internal/web"
)

type changeProfileInput struct {
	web.Write
	Body struct {
		DisplayName *string `json:"display_name,omitempty" doc:"1-100 characters after trimming. If absent, it does not change." example:"Ada"`
		Handle      *string `json:"handle,omitempty" doc:"2-32 characters out of a-z, 0-9 and _; case does not matter. It must be free. Empty removes it." example:"ada"`
		Bio         *string `json:"bio,omitempty" doc:"At most 500 characters. Empty removes it." example:"Counts."`
		AvatarURL   *string `json:"avatar_url,omitempty" doc:"An https URL. Empty removes it." example:"https://example.org/ada.png"`
	}
}

type userOutput struct {
	web.Written
	Body web.User
}

func changeProfileOperation() huma.Operation {
	return reaching(http.MethodPatch, "/v1/users/me", "change-profile", "Change my profile", http.StatusOK, "users",
		domain.ErrNameInvalid, domain.ErrHandleInvalid, domain.ErrHandleTaken, domain.ErrBioInvalid, domain.ErrAvatarInvalid, domain.ErrUserNotFound)
}

// changeProfile changes what others see of the caller.
func (c *accounts) changeProfile(ctx context.Context, in *changeProfileInput) (*userOutput, error) {
	user := web.CallerFrom(ctx).UserID
	change, err := domain.ChangeProfile{
		DisplayName: in.Body.DisplayName, Handle: in.Body.Handle, Bio: in.Body.Bio, AvatarURL: in.Body.AvatarURL,
	}.Clean()
	if err != nil {
		return nil, err
	}
	// execute decides the change; a handle that is another's is refused last: a
	// retry answers as the first time, whose the handle may be now.
	execute := func(free bool) (eventlog.Result, error) {
		return eventlog.Execute(ctx, c.Log, eventlog.Users, command(user, user, in.Key, in.Request()),
			func(u *domain.User, _ int64) ([]domain.Event, error) {
				events, err := u.ChangeProfile(change)
				if err == nil && !free {
					return nil, domain.ErrHandleTaken
				}
				return events, err
			})
	}
	var done eventlog.Result
	if change.Handle == nil {
		done, err = execute(true)
	} else {
		done, err = c.changeHandle(ctx, user, *change.Handle, execute)
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
