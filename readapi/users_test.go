package readapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
	"ping/internal/web"
)

func TestUsersByHandle(t *testing.T) {
	s := newSystem(t)
	handles := []string{"ada", "adam", "ad_a", "bob", "ada_2"}
	ids := map[string]domain.ID{}
	for _, handle := range handles {
		ids[handle] = s.user("Somebody")
		s.profile(ids[handle], domain.ChangeProfile{Handle: &handle})
	}
	s.user("Adalbert") // has no handle
	find := func(query string) (found []string) {
		t.Helper()
		for more := "/v1/users?limit=2&query=" + query; more != ""; {
			p := read[web.Page[web.User]](s, ids["ada"], more)
			for _, u := range p.Items {
				require.Equal(t, ids[*u.Handle], u.ID)
				found = append(found, *u.Handle)
			}
			if more = ""; p.Next != nil {
				more = "/v1/users?limit=2&query=" + query + "&cursor=" + *p.Next
			}
		}
		return found
	}
	require.Equal(t, []string{"ad_a", "ada", "ada_2", "adam"}, find("@aD"))
	require.Equal(t, []string{"ada", "ada_2", "adam"}, find("%40ada"))
	require.Empty(t, find("@zz"))
	require.Len(t, find("@"), 5)

	s.change(ids["adam"], func(u *domain.User) ([]domain.Event, error) { return u.Erase() })
	require.Equal(t, []string{"ad_a", "ada", "ada_2"}, find("@ad"))
	require.Len(t, find("some"), 4)
	u := read[web.User](s, ids["ada"], "/v1/users/"+ids["adam"].String())
	require.NotNil(t, u.ErasedAt)
	require.Equal(t, web.User{ID: ids["adam"], ErasedAt: u.ErasedAt}, u)
}

func TestBlocks(t *testing.T) {
	s := newSystem(t)
	ada := s.user("Ada")
	const path = "/v1/users/me/blocks"
	var want, users []domain.ID
	for n := range 5 {
		users = append(users, s.user(fmt.Sprint("User ", n)))
		s.block(ada, users[n], true)
	}
	s.block(ada, users[1], false)
	s.block(ada, users[0], false)
	s.block(ada, users[0], true)
	want = []domain.ID{users[0], users[4], users[3], users[2]}
	var got []domain.ID
	for more := path + "?limit=2"; more != ""; {
		p := read[web.Page[web.User]](s, ada, more)
		for _, u := range p.Items {
			got = append(got, u.ID)
			require.NotEmpty(t, u.DisplayName)
		}
		if more = ""; p.Next != nil {
			more = path + "?limit=2&cursor=" + *p.Next
		}
	}
	require.Equal(t, want, got, "most recent first")
	require.Empty(t, read[web.Page[web.User]](s, users[0], path).Items, "users do not learn who blocks them")
	require.Equal(t, "cursor_invalid", s.refused(ada, path+"?cursor=x", http.StatusUnprocessableEntity))
}
