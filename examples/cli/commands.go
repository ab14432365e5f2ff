package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// trigger starts a job, or joins the one in progress.
func (a *app) trigger(ctx context.Context, args []string) error {
	flags := a.newFlags("trigger")
	entityType := flags.String("type", "PRODUCT", "the entity type to reindex")
	rag := flags.Bool("rag", false, "reindex products for retrieval-augmented generation")
	body := runFlags(flags)
	following := flags.Bool("follow", false, "show the job's progress until it has ended")
	if _, err := a.only(0, flags, args); err != nil {
		return err
	}
	var started job
	creation := body()
	creation["entityType"], creation["rag"] = *entityType, *rag
	if _, err := a.call(ctx, http.MethodPost, "reindex-jobs", creation, &started); err != nil {
		return err
	}
	fmt.Fprintln(a.out, started.ID)
	if *following {
		return a.followJob(ctx, started.ID)
	}
	return nil
}

// runFlags adds the flags of every job. The returned function makes a body of the parsed flags.
func runFlags(flags *flag.FlagSet) func() map[string]any {
	dryRun := flags.Bool("dry-run", false, "do everything except the switch-over, so that the live index stays")
	difference := flags.Bool("difference", false, "compare the index with the live one")
	return func() map[string]any { return map[string]any{"dryRun": *dryRun, "difference": *difference} }
}

// cancel asks a job to stop.
func (a *app) cancel(ctx context.Context, args []string) error {
	rest, err := a.only(1, a.newFlags("cancel"), args)
	if err != nil {
		return err
	}
	if _, err := a.call(ctx, http.MethodDelete, jobPath(rest[0]), nil, nil); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s was asked to stop\n", rest[0])
	return nil
}

func jobPath(id string) string { return "reindex-jobs/" + url.PathEscape(id) }

// queryFlags returns flags that set the parameters of a query, which the server validates.
func (a *app) queryFlags(name string, parameters map[string]string) (*flag.FlagSet, url.Values) {
	flags, query := a.newFlags(name), url.Values{}
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
	flags, query := a.queryFlags("list",
		map[string]string{"q": "q", "sort": "sort", "page": "pageNumber", "size": "pageSize"})
	if _, err := a.only(0, flags, args); err != nil {
		return err
	}
	var jobs []job
	header, err := a.call(ctx, http.MethodGet, "reindex-jobs?"+query.Encode(), nil, &jobs)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tTYPE\tSTATUS\tINDEXED\tREJECTED\tDUPLICATES\tREAD\tEXPECTED\tCREATED\tTOOK\tMESSAGE")
	for _, j := range jobs {
		created := j.Metadata.CreatedAt.Local().Format(time.DateTime)
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", j.ID, j.kind(), j.state(), j.Indexed, j.Rejected,
			j.Duplicates, j.Read, j.expected(), created, j.took(), j.Message)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.note, "shown: %d of %s jobs\n", len(jobs), header.Get("X-Total-Count"))
	return nil
}

// kind returns the entity type of a job and its options.
func (j *job) kind() string {
	kind := j.EntityType
	if j.RAG {
		kind += ", rag"
	}
	if j.Mode == modeRollback {
		kind += ", rollback"
	}
	if j.DryRun {
		kind += ", dry run"
	}
	return kind
}

// state returns the status and the phase of a job.
func (j *job) state() string {
	if j.Phase == "" {
		return j.Status
	}
	return j.Status + ", " + j.Phase
}

// took returns the duration of a job, or "-" before its end.
func (j *job) took() string {
	if j.Durations.TotalMillis == nil {
		return "-"
	}
	return (time.Duration(*j.Durations.TotalMillis) * time.Millisecond).String()
}

// outcome returns the numbers of indexed, rejected and duplicate products.
func (j *job) outcome() string {
	return fmt.Sprintf("%d indexed, %d rejected, %d duplicate", j.Indexed, j.Rejected, j.Duplicates)
}

// expected returns the expected number of products: with "about" if it is an estimate, and "?" if it is not known.
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
	flags, query := a.queryFlags("failures", map[string]string{"page": "pageNumber", "size": "pageSize"})
	rest, err := a.only(1, flags, args)
	if err != nil {
		return err
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
	fmt.Fprintf(a.note, "shown: %d of %s listed products; rejected in total: %s\n", len(rejected), listed, all)
	return nil
}

// difference shows the difference between a job's index and the live one.
func (a *app) difference(ctx context.Context, args []string) error {
	rest, err := a.only(1, a.newFlags("difference"), args)
	if err != nil {
		return err
	}
	var d struct {
		AddedCount, RemovedCount, ChangedCount, UnchangedCount, EditedCount int64
		Added, Removed                                                      []string
		Changed                                                             []struct {
			ID     string
			Fields []string
		}
	}
	if _, err := a.call(ctx, http.MethodGet, jobPath(rest[0])+"/difference", nil, &d); err != nil {
		return err
	}
	for _, id := range d.Added {
		fmt.Fprintf(a.out, "+ %s\n", id)
	}
	for _, id := range d.Removed {
		fmt.Fprintf(a.out, "- %s\n", id)
	}
	for _, p := range d.Changed {
		fmt.Fprintf(a.out, "~ %s: %s\n", p.ID, strings.Join(p.Fields, ", "))
	}
	fmt.Fprintf(a.note, "%d added, %d removed, %d changed, %d unchanged, %d edited during the run\n",
		d.AddedCount, d.RemovedCount, d.ChangedCount, d.UnchangedCount, d.EditedCount)
	return nil
}
