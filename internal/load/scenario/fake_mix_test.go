package scenario

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"ping/domain"
)

// fakeMix is what the fake serves besides sends.
type fakeMix struct {
	handles   map[string]domain.ID
	reactions map[domain.ID][]fakeReaction // by message
	acts      int                          // attempts at other actions than a send

	// onAct may answer an attempt at an action in place of the fake; n counts from 1.
	onAct func(w http.ResponseWriter, n int, what string) (answered bool)
	// onActed may hide the answer to what was done.
	onActed func(w http.ResponseWriter, n int) (hidden bool)
	// onRead runs before a read marker is taken, without mu.
	onRead func()
	// onInbox, onUnread and onMembers change the answers about them.
	onInbox   func(entries []map[string]any)
	onUnread  func(total map[string]any)
	onMembers func(members []map[string]any) []map[string]any
	// leaks sends everything to everyone, also to users who have left.
	leaks bool
}

type fakeReaction struct {
	emoji string
	by    domain.ID
}

func (f *fake) serveMix(mux *http.ServeMux) {
	f.handles, f.reactions = map[string]domain.ID{}, map[domain.ID][]fakeReaction{}
	const message = "/v1/conversations/{id}/messages/{message}"
	for pattern, do := range map[string]func(r *http.Request, g *fakeGroup, user domain.ID) (status int, answer any){
		"PATCH /v1/users/me":                        f.changeHandle,
		"PATCH " + message:                          f.edit,
		"DELETE " + message:                         f.deleteMessage,
		"PUT " + message + "/reactions/{emoji}":     f.react,
		"DELETE " + message + "/reactions/{emoji}":  f.unreact,
		"PUT " + message + "/pin":                   f.pin(true),
		"DELETE " + message + "/pin":                f.pin(false),
		"POST /v1/conversations/{id}/members":       f.addMember,
		"DELETE /v1/conversations/{id}/members/{u}": f.removeMember,
	} {
		mux.HandleFunc(pattern, f.signedIn(f.once(pattern, do)))
	}
	marking := f.signedIn(f.once("read", f.markRead))
	mux.HandleFunc("PUT /v1/conversations/{id}/read", func(w http.ResponseWriter, r *http.Request) {
		if f.onRead != nil {
			f.onRead()
		}
		marking(w, r)
	})
	mux.HandleFunc("GET /v1/conversations/{id}/members", f.signedIn(f.listMembers))
	mux.HandleFunc("GET /v1/conversations", f.signedIn(f.inbox))
	mux.HandleFunc("GET /v1/users/me/unread", f.signedIn(f.unread))
}

// once performs an action, or answers a retry as it did the first time.
func (f *fake) once(what string, do func(*http.Request, *fakeGroup, domain.ID) (int, any)) func(http.ResponseWriter, *http.Request, domain.ID) {
	return func(w http.ResponseWriter, r *http.Request, user domain.ID) {
		f.acts++
		n := f.acts
		if f.onAct != nil && f.onAct(w, n, what) {
			return
		}
		group, _ := domain.ParseID(r.PathValue("id"))
		g := f.groups[group]
		key := user.String() + r.Method + r.URL.Path + r.Header.Get("Idempotency-Key")
		answer, replayed := f.keys[key]
		status := http.StatusOK
		if !replayed {
			if g != nil && !slices.Contains(g.members, user) {
				refuse(w, http.StatusNotFound, "conversation_not_found")
				return
			}
			var v any
			if status, v = do(r, g, user); status >= 400 {
				refuse(w, status, "refused")
				return
			}
			b, _ := json.Marshal(v) // maps of plain values
			answer = string(b)
			f.keys[key] = answer
		}
		if f.onActed != nil && f.onActed(w, n) {
			return
		}
		f.position(w)
		answerJSON(w, status, json.RawMessage(answer))
	}
}

func input(r *http.Request, into any) { _ = json.NewDecoder(r.Body).Decode(into) }

func (f *fake) changeHandle(r *http.Request, _ *fakeGroup, user domain.ID) (int, any) {
	var in struct{ Handle string }
	input(r, &in)
	f.handles[in.Handle] = user
	return http.StatusOK, map[string]any{"id": user}
}

func (f *fake) mentioned(g *fakeGroup, body string) []domain.ID {
	ids := []domain.ID{}
	for _, handle := range domain.Handles(body) {
		if u, known := f.handles[handle]; known && slices.Contains(g.members, u) {
			ids = append(ids, u)
		}
	}
	return ids
}

func (g *fakeGroup) message(r *http.Request) map[string]any {
	id, _ := domain.ParseID(r.PathValue("message"))
	i := slices.IndexFunc(g.history, func(m map[string]any) bool { return m["id"] == id })
	return g.history[i]
}

func (f *fake) edit(r *http.Request, g *fakeGroup, user domain.ID) (int, any) {
	m := g.message(r)
	if m["author_id"] != user || m["deleted_at"] != nil {
		return http.StatusForbidden, nil
	}
	var in struct{ Body string }
	input(r, &in)
	m["body"], m["edited_at"] = in.Body, time.Now()
	f.append(g, "message.edited", f.id(), in.Body)
	return http.StatusOK, map[string]any{"id": m["id"], "seq": m["seq"]}
}

func (f *fake) deleteMessage(r *http.Request, g *fakeGroup, user domain.ID) (int, any) {
	m := g.message(r)
	if m["author_id"] != user {
		return http.StatusForbidden, nil
	}
	m["body"], m["deleted_at"], m["edited_at"], m["pinned"], m["mentions"] = "", time.Now(), nil, false, []domain.ID{}
	delete(f.reactions, m["id"].(domain.ID))
	f.append(g, "message.deleted", f.id(), "")
	return http.StatusOK, nil
}

func (f *fake) react(r *http.Request, g *fakeGroup, user domain.ID) (int, any) {
	m, reaction := g.message(r), fakeReaction{r.PathValue("emoji"), user}
	id := m["id"].(domain.ID)
	if m["deleted_at"] != nil {
		return http.StatusConflict, nil
	}
	if !slices.Contains(f.reactions[id], reaction) {
		f.reactions[id] = append(f.reactions[id], reaction)
		f.append(g, "reaction.added", f.id(), "")
	}
	return http.StatusOK, map[string]any{"mine": true}
}

func (f *fake) unreact(r *http.Request, g *fakeGroup, user domain.ID) (int, any) {
	id, reaction := g.message(r)["id"].(domain.ID), fakeReaction{r.PathValue("emoji"), user}
	if i := slices.Index(f.reactions[id], reaction); i >= 0 {
		f.reactions[id] = slices.Delete(f.reactions[id], i, i+1)
		f.append(g, "reaction.removed", f.id(), "")
	}
	return http.StatusOK, map[string]any{"mine": false}
}

func (f *fake) pin(pinned bool) func(*http.Request, *fakeGroup, domain.ID) (int, any) {
	return func(r *http.Request, g *fakeGroup, user domain.ID) (int, any) {
		m := g.message(r)
		if user != g.members[0] || m["deleted_at"] != nil {
			return http.StatusForbidden, nil
		}
		m["pinned"] = pinned
		f.append(g, "message.pinned", f.id(), "")
		return http.StatusOK, map[string]any{"pinned": pinned}
	}
}

func (f *fake) markRead(r *http.Request, g *fakeGroup, user domain.ID) (int, any) {
	var in struct{ Seq int64 }
	input(r, &in)
	if in.Seq > g.read[user] {
		g.read[user] = in.Seq
		f.append(g, "read.advanced", f.id(), "")
	}
	return http.StatusOK, map[string]any{"seq": in.Seq}
}

func (f *fake) addMember(r *http.Request, g *fakeGroup, _ domain.ID) (int, any) {
	var in struct {
		User domain.ID `json:"user_id"`
	}
	input(r, &in)
	g.members = append(g.members, in.User)
	g.read[in.User] = f.appendWith(g, "member.added", f.id(), in.User, map[string]any{"user_id": in.User}).seq
	return http.StatusCreated, map[string]any{"user_id": in.User}
}

func (f *fake) removeMember(r *http.Request, g *fakeGroup, _ domain.ID) (int, any) {
	user, _ := domain.ParseID(r.PathValue("u"))
	f.appendWith(g, "member.removed", f.id(), user, map[string]any{"user_id": user})
	g.members = slices.DeleteFunc(g.members, func(m domain.ID) bool { return m == user })
	return http.StatusOK, nil
}

// seenBy is a message as a user sees it; the caller may change it.
func (f *fake) seenBy(user domain.ID, m map[string]any) map[string]any {
	m = maps.Clone(m)
	reactions := []map[string]any{}
	for _, r := range f.reactions[m["id"].(domain.ID)] {
		i := slices.IndexFunc(reactions, func(have map[string]any) bool { return have["emoji"] == r.emoji })
		if i < 0 {
			i = len(reactions)
			reactions = append(reactions, map[string]any{"emoji": r.emoji, "count": 0, "mine": false})
		}
		reactions[i]["count"] = reactions[i]["count"].(int) + 1
		reactions[i]["mine"] = reactions[i]["mine"].(bool) || r.by == user
	}
	m["reactions"] = reactions
	return m
}

func (f *fake) listMembers(w http.ResponseWriter, r *http.Request, _ domain.ID) {
	group, _ := domain.ParseID(r.PathValue("id"))
	items := []map[string]any{}
	for i, m := range f.groups[group].members {
		role := "member"
		if i == 0 {
			role = "owner"
		}
		items = append(items, map[string]any{"user_id": m, "role": role})
	}
	if f.onMembers != nil {
		items = f.onMembers(items)
	}
	answerJSON(w, http.StatusOK, map[string]any{"items": items, "next": nil})
}

// entries is the inbox of a user.
func (f *fake) entries(user domain.ID) []map[string]any {
	items := []map[string]any{}
	for _, g := range f.groups {
		i := slices.Index(g.members, user)
		if i < 0 {
			continue
		}
		e := map[string]any{"id": g.id, "role": "member", "member_count": len(g.members), "last_seq": len(g.events), "read_seq": g.read[user]}
		if i == 0 {
			e["role"] = "owner"
		}
		messages, mentions := int64(0), int64(0)
		for _, m := range g.history {
			if e["last_message"] = m; m["seq"].(int64) <= g.read[user] {
				continue
			}
			messages++
			if slices.Contains(m["mentions"].([]domain.ID), user) {
				mentions++
			}
		}
		e["unread_count"], e["unread_mentions"] = messages, mentions
		items = append(items, e)
	}
	return items
}

func (f *fake) inbox(w http.ResponseWriter, _ *http.Request, user domain.ID) {
	items := f.entries(user)
	if f.onInbox != nil {
		f.onInbox(items)
	}
	answerJSON(w, http.StatusOK, map[string]any{"items": items, "next": nil})
}

func (f *fake) unread(w http.ResponseWriter, _ *http.Request, user domain.ID) {
	messages, mentions, conversations := int64(0), int64(0), 0
	for _, e := range f.entries(user) {
		messages += e["unread_count"].(int64)
		mentions += e["unread_mentions"].(int64)
		if e["unread_count"].(int64) > 0 {
			conversations++
		}
	}
	total := map[string]any{"unread_count": messages, "unread_mentions": mentions, "conversations": conversations}
	if f.onUnread != nil {
		f.onUnread(total)
	}
	answerJSON(w, http.StatusOK, total)
}
