package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"
)

// trigger starts a job, or joins the one in progress.
func (a *app) trigger(ctx context.Context, args []string) error {
	flags := newFlags("trigger", a.note)
	entityType := flags.String("type", "PRODUCT", "what is reindexed")
	following := flags.Bool("follow", false, "show the job's progress until it has ended")
	if rest, err := parse(flags, args); err != nil || len(rest) > 0 {
		return a.misused(err)
	}
	var started job
	if _, err := a.call(ctx, http.MethodPost, "reindex-jobs", map[string]any{"entityType": *entityType}, &started); err != nil {
		return err
	}
	fmt.Fprintln(a.out, started.ID)
	if *following {
		return a.followJob(ctx, started.ID)
	}
	return nil
}

// cancel asks a job to stop.
func (a *app) cancel(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return a.misused(nil)
	}
	if _, err := a.call(ctx, http.MethodDelete, jobPath(args[0]), nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s stops\n", args[0])
	return nil
}

func jobPath(id string) string { return "reindex-jobs/" + url.PathEscape(id) }

// queryFlags are flags that fill the parameters of a query. The server checks them.
func queryFlags(name string, note io.Writer, parameters map[string]string) (*flag.FlagSet, url.Values) {
	flags, query := newFlags(name, note), url.Values{}
	for flagName, parameter := range parameters {
		flags.Func(flagName, parameter, func(text string) error {
			query.Set(parameter, text)
			return nil
		})
	}
	return flags, query
}

// list shows a page of jobs.
func (a *app) list(ctx context.Context, args []string) error {
	flags, query := queryFlags("list", a.note, map[string]string{"q": "q", "sort": "sort", "page": "pageNumber", "size": "pageSize"})
	if rest, err := parse(flags, args); err != nil || len(rest) > 0 {
		return a.misused(err)
	}
	var jobs []job
	header, err := a.call(ctx, http.MethodGet, "reindex-jobs?"+query.Encode(), nil, &jobs)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tTYPE\tSTATUS\tPROCESSED\tEXPECTED\tCREATED\tMESSAGE")
	for _, j := range jobs {
		created := j.Metadata.CreatedAt.Local().Format(time.DateTime)
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", j.ID, j.EntityType, j.Status, j.Processed, j.expected(), created, j.Message)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.note, "%d of %s jobs\n", len(jobs), header.Get("X-Total-Count"))
	return nil
}

// expected is how many products are expected: "about" an estimate, "?" where nothing is known.
func (j *job) expected() string {
	switch {
	case j.Expected == nil:
		return "?"
	case j.Estimated:
		return fmt.Sprintf("about %d", *j.Expected)
	default:
		return strconv.FormatInt(*j.Expected, 10)
	}
}

// failures shows a page of the products that a job rejected.
func (a *app) failures(ctx context.Context, args []string) error {
	flags, query := queryFlags("failures", a.note, map[string]string{"page": "pageNumber", "size": "pageSize"})
	rest, err := parse(flags, args)
	if err != nil || len(rest) != 1 {
		return a.misused(err)
	}
	id := rest[0]
	var rejected []struct{ ID, Reason, Where string }
	header, err := a.call(ctx, http.MethodGet, jobPath(id)+"/failures?"+query.Encode(), nil, &rejected)
	if err != nil {
		return err
	}
	for _, r := range rejected {
		line := fmt.Sprintf("%s: %s", r.ID, r.Reason)
		if r.Where != "" {
			line += " (" + r.Where + ")"
		}
		fmt.Fprintln(a.out, line)
	}
	listed, all := header.Get("X-Total-Count"), header.Get("X-Rejected-Count")
	fmt.Fprintf(a.note, "%d of %s that are listed; %s products were rejected\n", len(rejected), listed, all)
	return nil
}
