package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"ping/internal/load/scenario"
)

// loadHelp explains what the flags alone do not.
const loadHelp = `Sends messages to a running server, as its clients would, and proves that none was lost.

It registers users, creates groups, opens a socket per member and sends over HTTP, each message with an
Idempotency-Key. A server that cannot be reached at the start is named at once. After that, a call that fails without a
definite answer is retried with the same key, and sockets that are cut reconnect and resume: the server may be killed and
restarted. At the end the tool waits until the sockets have caught up, reads all history back and compares. Every
acknowledged message must be in history once, as it was sent, and each member's socket must have received it once; all in
order, without a gap in seq. If anything is lost, doubled, out of order, missing in seq, altered, never sent or against
the protocol, the first few examples are named by their ids and the exit status is 1. The same holds when something that
was generated is refused, or a resume. A run that is interrupted verifies nothing and shows no figures.

A corpus is a JSON Lines file, plain or gzip, with a conversation, line, kind, user, text and reply_to on each line.
Each conversation becomes a group, and its messages are sent one after the other; many conversations are sent at the same
time. Lines of kind message and action are sent, those of kind nick are not. Nicks are mapped onto --users users by a
hash, and the text is sent as it is. The server decides what it accepts: a message that it refuses, such as a blank line,
counts as refused and must not be in history. A reply to what is not a message of the corpus is sent without reply_to.

A generated load is --groups groups of --members members. Senders are spread over the groups, and no user is in more
groups than that needs. In a closed loop each sender has --window sends outstanding and begins the next when one is
answered. With --rate, messages are begun on a fixed schedule, and their latency counts from when they were due.

With --mix realistic, senders do what the members of a busy group do; --rate, --messages and --window then refer to
actions of all kinds. A random member of the sender's group performs each. Of every 1,000 actions, 705 are messages (175
replies, 5 that mention a member), 120 reactions, 20 removals of a reaction, 100 read markers, 30 edits, 10 deletions, 10
members who leave and are added back by the owner, and 5 pins or unpins. An action without a target, such as a reaction
before there is a message, becomes a message. A read marker does not delay its sender, because the server lets a user's
markers in one conversation wait for up to a second; a member has one under way at a time. At the end the read models are
compared with what was done, too: each message's body, edited_at, deleted_at, reactions, mentions and pin, the members
and their roles, and each user's inbox and unread totals. Users who have left must receive nothing until they are back.

With --idle, sockets do nothing, and the server's own process is measured: connects per second, its resident memory
before, right after and when it no longer falls, and its CPU meanwhile. Go returns memory slowly, so the tool also waits
before the first socket until memory has not fallen for --quiet; where it still falls after a minute more, the figures
say so. Memory and CPU are not known without /proc. Users are in blocks of 50, and each block in 20 groups. At the end
every socket must still be open, and receive one message. With --users, fewer users hold several sockets each, which
saves their registration. --metrics-url adds heap, stacks and goroutines.

With --storm, all sockets are cut at once when half is sent, and all reconnect at once, as soon as the server lets them.
Acknowledgements until then, and from the cut until the last socket had resumed, are measured apart. Each socket must
have resumed within a minute, or within --retry-for if that is less.

With --slow, sockets stop reading when a tenth is sent and continue when nine tenths are; the first member of each group
reads on. A server must close those for which more waits than hello's limits.pending_bytes and what the kernel holds,
taken as 6 MiB; one that was closed long before finds its connection cut. Nothing may be lost. What they receive is in no
latency and no rate, and --disconnects cuts others.

With --stealth, every fifth message of a sender is a stealth message of 2 to 5 s, and every tenth of these is withdrawn
at once. Each member's socket must receive it once, and then be told once, neither early nor late, that it is gone.
Sockets that were cut meanwhile, or told of a gap (ephemeral_gap), are excused, and counted. A gap other than where a
connection begins is a fault unless some call failed or was answered by 5xx. No stealth message may be in history or in
the log, nor, when all are gone, be listed. Its expiry is compared by the clock of this machine.

CPU and memory are those of the servers and of all their children, by name: with "ping dev", its Postgres and Redis
too. For a server whose Postgres runs apart, name both with --server-pid. The data that a run creates stays: use a server
made for that.

Examples:
   ping load --groups 50 --members 10 --senders 64 --closed-loop --duration 60s      as many as the server accepts
   ping load --groups 50 --members 10 --rate 200 --duration 60s                      latency at 200 messages per second
   ping load --groups 1 --members 500 --senders 1 --window 8 --closed-loop           one big group
   ping load --mix realistic --duration 60s --disconnects 100                        a busy group's edits, reactions, reads
   ping load --idle 10000 --users 1000 --metrics-url http://127.0.0.1:8080/metrics   what idle sockets cost
   ping load --storm --groups 500 --rate 200 --duration 60s                          all sockets cut at once
   ping load --groups 1 --members 20 --slow 5 --body-size 4000 --duration 30s        sockets that do not read
   ping load --stealth --rate 200 --duration 60s --disconnects 50                    with messages that are not stored
   ping load --corpus chat.jsonl.gz --disconnects 200 --json figures.json            real chat, with cut connections`

func loadCommand() *cli.Command {
	return &cli.Command{
		Name:        "load",
		Usage:       "put load on a running server and prove that no message was lost",
		Description: loadHelp,
		Flags:       loadFlags(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			out := cmd.Root().Writer
			if out == nil {
				out = os.Stdout
			}
			_, err = scenario.Run(ctx, cfg, out)
			return err
		},
	}
}

func loadFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "url", Value: []string{"http://127.0.0.1:8080"}, Usage: "a server's `URL`; repeatable: users are spread over the servers"},
		&cli.BoolFlag{Name: "allow-remote", Usage: "permit servers on other machines"},

		&cli.StringFlag{Name: "corpus", Usage: "send the conversations of this `FILE`", TakesFile: true, Category: "Corpus"},
		&cli.IntFlag{Name: "users", Value: 500, Usage: "number of users that the nicks are mapped onto; with --idle, that hold its sockets: one per socket unless given"},
		&cli.IntFlag{Name: "conversations", Usage: "send only the first `N` conversations", Category: "Corpus"},
		&cli.IntFlag{Name: "limit", Usage: "send only the first `N` messages of the file", Category: "Corpus"},

		&cli.IntFlag{Name: "groups", Value: 50, Usage: "number of groups", Category: "Generated load"},
		&cli.IntFlag{Name: "members", Value: 10, Usage: "number of members per group", Category: "Generated load"},
		&cli.FloatFlag{Name: "rate", Usage: "messages per second in all, on a fixed schedule", Category: "Generated load"},
		&cli.BoolFlag{Name: "closed-loop", Usage: "send when the last answer has arrived; the default without --rate", Category: "Generated load"},
		&cli.IntFlag{Name: "window", Value: 1, Usage: "number of outstanding sends per sender; above 1 the order of its messages is not defined", Category: "Generated load"},
		&cli.IntFlag{Name: "body-size", Value: 80, Usage: "length of a body in `BYTES`", Category: "Generated load"},
		&cli.StringFlag{Name: "mix", Value: "sends", Usage: "what senders do: sends, or realistic: what members of a busy group do", Category: "Generated load"},

		&cli.IntFlag{Name: "idle", Usage: "open `N` sockets that do nothing, and measure their cost", Category: "Idle sockets"},
		&cli.DurationFlag{Name: "quiet", Value: 10 * time.Second, Usage: "how long they are watched", Category: "Idle sockets"},
		&cli.StringSliceFlag{Name: "metrics-url", Usage: "read a server's memory from its metrics at `URL` too; repeatable", Category: "Idle sockets"},

		&cli.IntFlag{Name: "senders", Value: 64, Usage: "number of senders; with --corpus, of conversations at a time"},
		&cli.DurationFlag{Name: "duration", Usage: "end the sending after this time; 30s where nothing else ends it"},
		&cli.IntFlag{Name: "messages", Usage: "end the sending after `N` messages"},
		&cli.IntFlag{Name: "disconnects", Usage: "cut `N` sockets during the sending; each resumes"},
		&cli.BoolFlag{Name: "storm", Usage: "cut all sockets at once in the middle of the sending; all resume at once"},
		&cli.IntFlag{Name: "slow", Usage: "let `N` sockets stop reading for most of the sending; then they continue, reconnect and resume"},
		&cli.BoolFlag{Name: "stealth", Usage: "make every fifth message a stealth message, and withdraw every tenth of these"},
		&cli.DurationFlag{Name: "retry-for", Value: 2 * time.Minute, Usage: "how long a message is retried before the run is given up"},
		&cli.DurationFlag{Name: "settle", Value: 30 * time.Second, Usage: "how long sockets may stay behind at the end without receiving anything"},

		&cli.IntSliceFlag{Name: "server-pid", Usage: "measure process `PID` and its children; repeatable; without it, the processes that listen at the URLs are measured"},
		&cli.StringFlag{Name: "json", Usage: "also write the figures to this `FILE`", TakesFile: true},
	}
}

// loadConfig reads the flags. scenario.Run checks them.
func loadConfig(cmd *cli.Command) (scenario.Config, error) {
	if cmd.Args().Present() {
		return scenario.Config{}, fmt.Errorf("%q is not a flag; see ping load --help", cmd.Args().First())
	}
	if cmd.Bool("closed-loop") && cmd.Float("rate") != 0 {
		return scenario.Config{}, fmt.Errorf("--closed-loop and --rate exclude each other")
	}
	cfg := scenario.Config{
		URLs:          cmd.StringSlice("url"),
		AllowRemote:   cmd.Bool("allow-remote"),
		Corpus:        cmd.String("corpus"),
		Conversations: cmd.Int("conversations"),
		Limit:         cmd.Int("limit"),
		Users:         cmd.Int("users"),
		Idle:          cmd.Int("idle"),
		Quiet:         cmd.Duration("quiet"),
		MetricsURLs:   cmd.StringSlice("metrics-url"),
		Groups:        cmd.Int("groups"),
		Members:       cmd.Int("members"),
		BodySize:      cmd.Int("body-size"),
		Mix:           cmd.String("mix"),
		Senders:       cmd.Int("senders"),
		Window:        cmd.Int("window"),
		Rate:          cmd.Float("rate"),
		Duration:      cmd.Duration("duration"),
		Messages:      cmd.Int("messages"),
		Disconnects:   cmd.Int("disconnects"),
		Storm:         cmd.Bool("storm"),
		Slow:          cmd.Int("slow"),
		Stealth:       cmd.Bool("stealth"),
		RetryFor:      cmd.Duration("retry-for"),
		Settle:        cmd.Duration("settle"),
		ServerPIDs:    cmd.IntSlice("server-pid"),
		JSON:          cmd.String("json"),
	}
	if math.IsNaN(cfg.Rate) {
		return cfg, fmt.Errorf("--rate is not a number")
	}
	if cfg.Idle > 0 && !cmd.IsSet("users") {
		cfg.Users = cfg.Idle
	}
	if cfg.Corpus == "" && cfg.Idle == 0 && cfg.Duration == 0 && cfg.Messages == 0 {
		cfg.Duration = 30 * time.Second
	}
	return cfg, nil
}
