// Command listen logs a user in and prints what happens in their conversations,
// one event per line. When the connection breaks, its client reconnects and
// resumes, so nothing is missed: see realtime/client.
//
//	PASSWORD=… go run ./deploy/examples/listen bob@example.org
//
// PING is the address of the server, by default http://127.0.0.1:8080.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"ping/realtime/client"
)

func main() {
	if len(os.Args) != 2 || os.Getenv("PASSWORD") == "" {
		fmt.Fprintln(os.Stderr, "usage: PASSWORD=… listen EMAIL")
		os.Exit(2)
	}
	if err := listen(os.Args[1], os.Getenv("PASSWORD")); err != nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		os.Exit(1)
	}
}

// listen prints events until it is interrupted.
func listen(email, password string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server := cmp.Or(os.Getenv("PING"), "http://127.0.0.1:8080")
	session, err := client.LogIn(ctx, server, email, password)
	if err == nil {
		err = client.New(server, session, client.Handler{
			Event:     func(e client.Event) { printJSON(e) },
			State:     func(s client.State, err error) { printState(s, explain(err, server)) },
			Ephemeral: func(e client.Ephemeral) { printJSON(e) },
		}, client.Config{}).Run(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	return explain(err, server)
}

// explain names the usual cause of a refused connection.
func explain(err error, server string) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s refuses connections: the server does not run, or PING is not its address", server)
	}
	return err
}

func printState(s client.State, err error) {
	if err == nil {
		fmt.Println(s)
	} else {
		fmt.Println(s, "-", err)
	}
}

func printJSON(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		line = []byte(err.Error())
	}
	fmt.Printf("%s\n", line)
}
