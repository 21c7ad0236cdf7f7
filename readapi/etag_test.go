package readapi_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/eventlog"
)

func TestConditionalReads(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.user("Ada"), s.user("Bob")
	group := s.group("The crew", ada, bob)
	m, other := s.send(group, ada, "hello", domain.ID{}), s.send(group, ada, "hello", domain.ID{})
	// get returns the status, the ETag and the body of a conditional request.
	get := func(path, ifNoneMatch string) (int, string, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.http.URL+path, nil)
		require.NoError(t, err)
		token, _ := s.tokens.Issue(bob, eventlog.NewID())
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Ping-Min-Position", s.position())
		if ifNoneMatch != "" {
			request.Header.Set("If-None-Match", ifNoneMatch)
		}
		response, err := s.http.Client().Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, response.Header.Get("ETag"), string(body)
	}
	bio := 0
	profile := func(user domain.ID) func() {
		return func() {
			bio++
			text := fmt.Sprint("bio ", bio)
			s.profile(user, domain.ChangeProfile{Bio: &text})
		}
	}
	conversation := "/v1/conversations/" + group.String()
	for path, changes := range map[string][]func(){
		"/v1/users/me":              {profile(bob)},
		"/v1/users/" + ada.String(): {profile(ada)},
		conversation: {
			func() { s.send(group, ada, "more", domain.ID{}) },
			func() { s.mark(group, bob, 3); s.mark(group, bob, 5) },
			func() { s.react(other, ada, "❤️", true) },
		},
		conversation + "/messages/" + m.ID.String(): {
			func() { s.react(m, ada, "👍", true) },
			func() { s.edit(m, ada, "edited") },
			func() { s.pin(m, ada, true) },
			func() { s.delete(m, ada) },
		},
	} {
		for n, change := range changes {
			status, tag, _ := get(path, "")
			require.Equal(t, http.StatusOK, status)
			require.Regexp(t, `^"[^"]+"$`, tag)
			for _, ifNoneMatch := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
				status, same, body := get(path, ifNoneMatch)
				require.Equal(t, http.StatusNotModified, status, "%s %s", path, ifNoneMatch)
				require.Equal(t, tag, same)
				require.Empty(t, body)
			}
			change()
			status, changed, body := get(path, tag)
			require.Equal(t, http.StatusOK, status, "%s, change %d", path, n)
			require.NotEqual(t, tag, changed)
			require.NotEmpty(t, body)
		}
	}
}
