// Cli triggers, follows, lists and cancels the reindex jobs of any server that has package httpapi's handler mounted:
//
//	go run ./examples/cli -url http://localhost:8080 -tenant acme trigger -follow
//	go run ./examples/cli -tenant acme list -q status:FAILURE -sort metadata.createdAt:desc
//
// The bearer token comes from PRODUCTINDEX_TOKEN. The exit code is 1 if a job that was followed has failed, or anything
// else went wrong, and 2 if the command line is wrong. A terminal shows a job's progress as a bar, everything else as a
// line for each of its phases.
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
  difference ID                                      how a job's index differs from the live one
  generations                                        the live index, and those that can be gone back to
  rollback [-to NAME] [-dry-run] [-difference] [-follow]
                                                     go back to the index before, or to that of a name
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

	out  io.Writer // the answers
	note io.Writer // progress, and notes
}

// run carries out a command line. The error is flag.ErrHelp if that asks for help, which was given then.
func run(ctx context.Context, args []string, token string, out, note io.Writer) error {
	a := &app{out: out, note: note}
	flags := a.newFlags("cli")
	server := flags.String("url", "http://localhost:8080", "the server, up to /indexing")
	tenant := flags.String("tenant", "", "whose products are reindexed")
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
	flags.Usage = func() {} // parse shows it
	return flags
}

// parse returns the arguments behind the flags. It prints the help that is asked for, and names a flag that is not
// valid.
func (a *app) parse(flags *flag.FlagSet, args []string) ([]string, error) {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(a.out, usage)
		return nil, flag.ErrHelp
	case err != nil: // the flag package has said why
		return nil, a.misused("")
	}
	return flags.Args(), nil
}

// only is parse for a command that has so many arguments after its flags.
func (a *app) only(n int, flags *flag.FlagSet, args []string) ([]string, error) {
	rest, err := a.parse(flags, args)
	if err == nil && len(rest) != n {
		err = a.misused(fmt.Sprintf("%s: %d arguments instead of %d", flags.Name(), len(rest), n))
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
