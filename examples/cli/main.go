// Cli triggers, follows, lists and cancels reindex jobs on any server that mounts package httpapi:
//
//	go run ./examples/cli -url http://localhost:8080 -tenant acme trigger -follow
//	go run ./examples/cli -tenant acme list -q status:FAILURE -sort metadata.createdAt:desc
//
// The variable PRODUCTINDEX_TOKEN holds the bearer token. The exit code is 1 if a followed job fails or another error
// occurs, and 2 if the command line is not valid. On a terminal a job's progress is a bar; otherwise it is a line per
// phase.
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
	"slices"
	"strings"
	"syscall"
)

const usage = `usage: cli [-url URL] -tenant TENANT COMMAND

  trigger [-type PRODUCT] [-rag] [-dry-run] [-difference] [-follow]
                                                     start a job, or join the one in progress
  follow ID                                          show a job's progress until it has ended
  list [-q CONDITIONS] [-sort FIELDS] [-page N] [-size N]
                                                     list jobs
  failures [-page N] [-size N] ID                    list the products that a job rejected
  difference ID                                      compare a job's index with the live one
  cancel ID                                          ask a job to stop
  generations                                        list the live index and the kept ones
  rollback [-to NAME] [-dry-run] [-difference] [-follow]
                                                     go back to the previous index, or to a named one

The environment variable PRODUCTINDEX_TOKEN has the bearer token, if the server needs one.
`

// errUsage means that the command line is not valid.
var errUsage = errors.New("the command line is not valid")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:], os.Getenv("PRODUCTINDEX_TOKEN"), os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
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

	out  io.Writer // for results
	note io.Writer // for progress and notes
}

// run executes a command line. If the command line asks for help, run prints it and returns flag.ErrHelp.
func run(ctx context.Context, args []string, token string, out, note io.Writer) error {
	a := &app{out: out, note: note}
	flags := a.newFlags("cli")
	server := flags.String("url", "http://localhost:8080", "the URL of the server, without /indexing")
	tenant := flags.String("tenant", "", "the tenant whose products are reindexed")
	rest, err := a.parse(flags, args)
	if err != nil {
		return err
	}
	commands := map[string]func(*app, context.Context, []string) error{
		"trigger": (*app).trigger, "follow": (*app).follow, "list": (*app).list, "cancel": (*app).cancel,
		"failures": (*app).failures, "difference": (*app).difference,
		"generations": (*app).generations, "rollback": (*app).rollback,
	}
	if len(rest) == 0 {
		return a.misused("a command is missing")
	}
	command, ok := commands[rest[0]]
	switch {
	case !ok:
		return a.misused(fmt.Sprintf("there is no command %q", rest[0]))
	case *tenant == "" && !asksForHelp(rest[1:]):
		return a.misused("-tenant is missing")
	}
	base := strings.TrimSuffix(*server, "/") + "/indexing/" + url.PathEscape(*tenant) + "/"
	a.client = &client{base: base, token: token}
	return command(a, ctx, rest[1:])
}

func asksForHelp(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return strings.TrimLeft(arg, "-") == "h" || strings.TrimLeft(arg, "-") == "help"
	})
}

func (a *app) newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(a.note)
	flags.Usage = func() {} // parse prints the usage
	return flags
}

// parse parses the flags and returns the arguments after them. It prints the usage if the arguments ask for help or a
// flag is not valid.
func (a *app) parse(flags *flag.FlagSet, args []string) ([]string, error) {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(a.out, usage)
		return nil, flag.ErrHelp
	case err != nil: // the flag package has printed the reason
		return nil, a.misused("")
	}
	return flags.Args(), nil
}

// only is parse for a command with n arguments after its flags.
func (a *app) only(n int, flags *flag.FlagSet, args []string) ([]string, error) {
	rest, err := a.parse(flags, args)
	if err == nil && len(rest) != n {
		err = a.misused(fmt.Sprintf("%s: the number of arguments is %d; it must be %d", flags.Name(), len(rest), n))
	}
	return rest, err
}

// misused prints the reason why the command line is not valid, unless it has been printed, and the usage.
func (a *app) misused(reason string) error {
	if reason != "" {
		fmt.Fprintf(a.note, "%s\n\n", reason)
	}
	fmt.Fprint(a.note, usage)
	return errUsage
}
