package readapi

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/web"
)

type userRow struct {
	web.User
	lowered string // the display name as the index orders it
}

func scanUser(row pgx.CollectableRow) (u userRow, err error) {
	var id [16]byte
	err = row.Scan(&id, &u.DisplayName, &u.lowered)
	u.ID = id
	return u, err
}

const getUserSQL = `SELECT id, display_name, lower(display_name) FROM directory.users WHERE id = $1`

type getUserInput struct {
	Read
	UserID domain.ID `path:"user_id"`
}

func (r *reads) getUser(ctx context.Context, in *getUserInput) (*output[web.User], error) {
	u, found, err := r.user(ctx, in.Read, in.UserID)
	if err == nil && !found {
		err = domain.ErrUserNotFound
	}
	return answer(u, err)
}

type getMeInput struct{ Read }

func (r *reads) getMe(ctx context.Context, in *getMeInput) (*output[web.User], error) {
	u, found, err := r.user(ctx, in.Read, web.CallerFrom(ctx).UserID)
	if err == nil && !found {
		// The token says that the caller exists; the directory will soon.
		err = checkpoint.ErrBehind
	}
	return answer(u, err)
}

func (r *reads) user(ctx context.Context, in Read, id domain.ID) (u web.User, found bool, err error) {
	if err := r.wait(ctx, in, directory); err != nil {
		return u, false, err
	}
	rows, _ := r.pool.Query(ctx, getUserSQL, uid(id))
	users, err := pgx.CollectRows(rows, scanUser)
	if err != nil || len(users) == 0 {
		return u, false, err
	}
	return users[0].User, true, nil
}

// A prefix is a range of the index: U+10FFFF comes after every character that
// a name can go on with.
const findUsersSQL = `
SELECT id, display_name, lower(display_name)
  FROM directory.users
 WHERE lower(display_name) COLLATE "C" >= lower($1)
   AND lower(display_name) COLLATE "C" < lower($1) || U&'\+10FFFF'
   AND (lower(display_name) COLLATE "C", id) > ($2, $3)
 ORDER BY lower(display_name) COLLATE "C", id
 LIMIT $4`

type findUsersInput struct {
	Read
	Limit
	Query  string `query:"query" required:"true" minLength:"1" maxLength:"100" doc:"How the display name begins, in any case."`
	Cursor string `query:"cursor" doc:"The next of the page before."`
}

var errQuery = &domain.Error{Code: "validation", Message: "query is Unicode text without NUL characters."}

func (r *reads) findUsers(ctx context.Context, in *findUsersInput) (*output[web.Page[web.User]], error) {
	if !storable(in.Query) {
		return nil, errQuery
	}
	var name string
	var id domain.ID
	if in.Cursor != "" {
		keys, err := decodeCursor("users", in.Cursor, 2)
		if err != nil || id.UnmarshalText([]byte(keys[1])) != nil || !storable(keys[0]) {
			return nil, errCursor
		}
		name = keys[0]
	}
	if err := r.wait(ctx, in.Read, directory); err != nil {
		return nil, err
	}
	found, _ := r.pool.Query(ctx, findUsersSQL, in.Query, name, uid(id), in.Limit.Limit+1)
	rows, err := pgx.CollectRows(found, scanUser)
	return answer(page(rows, in.Limit.Limit, func(u userRow) web.User { return u.User },
		func(u userRow) string { return encodeCursor("users", u.lowered, u.ID.String()) }), err)
}

// storable reports whether Postgres takes s as text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
