// Command listen logs a user in and prints what happens in his conversations,
// one event a line. When the connection breaks, its client reconnects and
// resumes, so that nothing is missed: see realtime/client.
//
//	PASSWORD=… go run ./deploy/examples/listen bob@example.org
//
// PING is where the server is, http://127.0.0.1:8080 unless it is set.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"

	"ping/realtime/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 || os.Getenv("PASSWORD") == "" {
		fmt.Fprintln(os.Stderr, "usage: PASSWORD=… listen EMAIL")
		os.Exit(2)
	}
	if err := listen(ctx, os.Args[1], os.Getenv("PASSWORD")); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		os.Exit(1)
	}
}

func listen(ctx context.Context, email, password string) error {
	server := cmp.Or(os.Getenv("PING"), "http://127.0.0.1:8080")
	session, err := client.LogIn(ctx, server, email, password)
	if err != nil {
		return err
	}
	return client.New(server, session, client.Handler{
		Event: func(e client.Event) { print(e) },
		State: func(s client.State, err error) {
			if err == nil {
				fmt.Println(s)
			} else {
				fmt.Println(s, "-", err)
			}
		},
		Ephemeral: func(e client.Ephemeral) { print(e) },
	}, client.Config{}).Run(ctx)
}

// print prints what the server told, as JSON.
func print(news any) {
	line, err := json.Marshal(news)
	if err != nil {
		line = []byte(err.Error())
	}
	fmt.Printf("%s\n", line)
}
