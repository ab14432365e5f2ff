// Cli triggers, follows, lists and cancels the reindex jobs of any server that has package httpapi's handler mounted:
//
//	go run ./examples/cli -url http://localhost:8080 -tenant acme trigger -follow
//	go run ./examples/cli -tenant acme list -q status:FAILURE -sort metadata.createdAt:desc
//
// The bearer token comes from PRODUCTINDEX_TOKEN. The exit code is 1 where a job that was followed has failed, or anything else went wrong,
// and 2 where the command line is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage: cli [-url URL] -tenant TENANT COMMAND

  trigger [-type PRODUCT] [-follow]                  start a job, or join the one in progress
  follow ID                                          show a job's progress until it has ended
  list [-q CONDITIONS] [-sort FIELDS] [-page N] [-size N]
  cancel ID                                          ask a job to stop
  failures [-page N] [-size N] ID                    the products that a job rejected

The environment variable PRODUCTINDEX_TOKEN has the bearer token, where one is needed.
`

// errUsage: the command line is wrong.
var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:], os.Getenv("PRODUCTINDEX_TOKEN"), os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "cli:", err)
		os.Exit(1)
	}
}

// app is one call of the program.
type app struct {
	*client

	out  io.Writer // what was asked for
	note io.Writer // what goes on meanwhile
}

// run carries out a command line.
func run(ctx context.Context, args []string, token string, out, note io.Writer) error {
	flags := newFlags("cli", note)
	server := flags.String("url", "http://localhost:8080", "the server, up to /indexing")
	tenant := flags.String("tenant", "", "whose products are reindexed")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if *tenant == "" || len(rest) == 0 {
		fmt.Fprint(note, usage)
		return errUsage
	}
	commands := map[string]func(*app, context.Context, []string) error{
		"trigger": (*app).trigger, "follow": (*app).follow, "list": (*app).list, "cancel": (*app).cancel, "failures": (*app).failures,
	}
	command, ok := commands[rest[0]]
	if !ok {
		fmt.Fprintf(note, "there is no command %q\n\n%s", rest[0], usage)
		return errUsage
	}
	base := strings.TrimSuffix(*server, "/") + "/indexing/" + url.PathEscape(*tenant) + "/"
	a := &app{client: &client{base: base, token: token}, out: out, note: note}
	return command(a, ctx, rest[1:])
}

func newFlags(name string, note io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(note)
	flags.Usage = func() { fmt.Fprint(note, usage) }
	return flags
}

// parse returns what follows the flags; the flag package has told what is wrong.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	if err := flags.Parse(args); err != nil {
		return nil, errUsage
	}
	return flags.Args(), nil
}

// misused returns err, of which the flag package has told the user, or tells how the program is used.
func (a *app) misused(err error) error {
	if err != nil {
		return err
	}
	fmt.Fprint(a.note, usage)
	return errUsage
}
