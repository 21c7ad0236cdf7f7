package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"ping/realtime/client"
)

// Logs in, says good morning and prints messages until it is interrupted.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	const server = "http://127.0.0.1:8080"
	session, err := client.LogIn(ctx, server, "ada@example.org", os.Getenv("PASSWORD"))
	if err != nil {
		fmt.Println(err)
		return
	}
	store := func(client.Session) { /* the next start then needs no password */ }
	store(session)
	c := client.New(server, session, client.Handler{
		Event: func(e client.Event) {
			if e.Type == "message.sent" {
				var message struct{ Body string }
				_ = json.Unmarshal(e.Data, &message) // it has a body
				fmt.Println(e.ConversationID, e.Seq, message.Body)
			}
		},
		State:   func(s client.State, err error) { fmt.Println(s, err) },
		Session: store,
	}, client.Config{})
	sending := c.Send(client.Draft{ConversationID: os.Getenv("GROUP"), Body: "Good morning!"})
	go func() {
		<-sending.Done()
		_, err := sending.Result()
		fmt.Println("sent:", err)
	}()
	err = c.Run(ctx)
	var ended *client.Ended
	if errors.As(err, &ended) && ended.Code == 401 {
		fmt.Println("log in again")
	}
}
