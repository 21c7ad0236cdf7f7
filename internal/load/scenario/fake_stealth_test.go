package scenario

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"ping/domain"
)

// fakeStealth is what the fake serves for stealth messages.
type fakeStealth struct {
	withdrawn map[domain.ID]bool
	// goneAfter changes when sockets are told the end of a stealth message.
	goneAfter func(ttl time.Duration) time.Duration
	// goneReason changes the reason that they are told.
	goneReason func(reason string) string
	// keeps puts stealth messages into history too, and records puts them into
	// the log, as an event that no history shows.
	keeps, records bool
	// immortal keeps them in the list after their end.
	immortal bool
	alive    map[domain.ID]map[string]any
}

func (f *fake) serveStealth(mux *http.ServeMux) {
	f.withdrawn, f.alive = map[domain.ID]bool{}, map[domain.ID]map[string]any{}
	mux.HandleFunc("GET /v1/conversations/{id}/stealth", f.signedIn(f.listStealth))
	mux.HandleFunc("POST /v1/conversations/{id}/stealth", f.signedIn(f.once("stealth", f.postStealth)))
	mux.HandleFunc("DELETE /v1/conversations/{id}/stealth/{stealth}", f.signedIn(f.once("withdraw", f.withdrawStealth)))
}

// tell adds an ephemeral frame, and wakes the sockets.
func (f *fake) tell(g *fakeGroup, name string, id domain.ID, frame map[string]any) {
	frame["type"] = name
	b, _ := json.Marshal(frame) // maps of plain values
	f.log = append(f.log, fakeEvent{group: g, frame: b, name: name, about: id, to: slices.Clone(g.members), ephemeral: true})
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *fake) postStealth(r *http.Request, g *fakeGroup, user domain.ID) (int, any) {
	var in struct {
		Body string
		TTL  int `json:"ttl_seconds"`
	}
	input(r, &in)
	id, now, ttl := f.id(), time.Now().UTC().Truncate(time.Millisecond), time.Duration(in.TTL)*time.Second
	m := map[string]any{"id": id, "conversation_id": g.id, "author_id": user, "body": in.Body, "sent_at": now, "expires_at": now.Add(ttl)}
	f.tell(g, "stealth", id, m)
	f.alive[id] = m
	if f.keeps {
		f.store(g, user, in.Body, nil)
	}
	if f.records {
		f.append(g, "stealth.sent", f.id(), in.Body)
	}
	if f.goneAfter != nil {
		ttl = f.goneAfter(ttl)
	}
	time.AfterFunc(ttl, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.withdrawn[id] {
			f.tellGone(g, id, "expired")
		}
	})
	return http.StatusCreated, m
}

func (f *fake) tellGone(g *fakeGroup, id domain.ID, reason string) {
	if f.goneReason != nil {
		reason = f.goneReason(reason)
	}
	if !f.immortal {
		delete(f.alive, id)
	}
	f.tell(g, "stealth_gone", id, map[string]any{"id": id, "conversation_id": g.id, "reason": reason})
}

func (f *fake) withdrawStealth(r *http.Request, g *fakeGroup, _ domain.ID) (int, any) {
	id, _ := domain.ParseID(r.PathValue("stealth"))
	f.withdrawn[id] = true
	f.tellGone(g, id, "withdrawn")
	return http.StatusOK, nil
}

func (f *fake) listStealth(w http.ResponseWriter, r *http.Request, _ domain.ID) {
	group, _ := domain.ParseID(r.PathValue("id"))
	items := []map[string]any{}
	for _, m := range f.alive {
		if m["conversation_id"] == group {
			items = append(items, m)
		}
	}
	answerJSON(w, http.StatusOK, map[string]any{"items": items, "next": nil})
}
