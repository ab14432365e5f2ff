package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"
)

// modeRollback is the mode of a job that goes back.
const modeRollback = "ROLLBACK"

// rollback starts a job that makes an earlier index live again.
func (a *app) rollback(ctx context.Context, args []string) error {
	flags := a.newFlags("rollback")
	generation := flags.String("to", "", "the name of the generation to go back to, from the command generations")
	options := runFlags(flags)
	following := flags.Bool("follow", false, "show the job's progress until it has ended")
	if _, err := a.only(0, flags, args); err != nil {
		return err
	}
	body := options()
	if *generation != "" {
		body["generation"] = *generation
	}
	var started job
	if _, err := a.call(ctx, http.MethodPost, "rollback", body, &started); err != nil {
		return err
	}
	fmt.Fprintln(a.out, started.ID)
	if *following {
		return a.followJob(ctx, started.ID)
	}
	return nil
}

// generation is the live index or a kept one.
type generation struct {
	Name                  string
	Live                  bool
	CreatedAt, ReplacedAt time.Time
	Documents, Bytes      *int64
	JobID                 string
}

// generations lists the live index and the kept ones.
func (a *app) generations(ctx context.Context, args []string) error {
	if _, err := a.only(0, a.newFlags("generations"), args); err != nil {
		return err
	}
	var listed []generation
	if _, err := a.call(ctx, http.MethodGet, "generations", nil, &listed); err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tDOCUMENTS\tBYTES\tCREATED\tREPLACED\tJOB")
	for _, g := range listed {
		state := "kept"
		if g.Live {
			state = "live"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", g.Name, state, numberOrNot(g.Documents), numberOrNot(g.Bytes),
			timeOrNot(g.CreatedAt), timeOrNot(g.ReplacedAt), textOrNot(g.JobID))
	}
	return table.Flush()
}

func numberOrNot(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

func timeOrNot(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}

func textOrNot(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
