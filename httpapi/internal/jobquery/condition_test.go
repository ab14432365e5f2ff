package jobquery

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"productindex/httpapi/internal/jobquery/jobquerytest"
	"productindex/reindex"
)

var conditionTests = []struct{ q, want string }{
	// none
	{"", jobquerytest.EveryJob},
	{"  ", jobquerytest.EveryJob},

	// field:value
	{"id:J3", "J3"},
	{"id:j3", ""},
	{"entityType:CATEGORY", "J7"},
	{"entityType:PRODUCT", "J8 J6 J5 J4 J3 J2 J1"},
	{"entityType:PROD", ""},
	{"status:SUCCESS", "J4 J1"},
	{"status:IN_PROGRESS", "J8"},
	{"status:PUBLISHED", ""},
	{"expectedCount:0", "J4"},
	{"expectedCount:00100", "J1"},
	{"processedCount:50", "J6 J3"},
	{"processedCount:-1", ""},
	{"message:timeout", "J3"},
	{"message:time", ""},
	{"message:left", ""},
	{"message:Missing", ""},

	// field:"quoted value"
	{`id:"J3"`, "J3"},
	{`status:"SUCCESS"`, "J4 J1"},
	{`processedCount:"50"`, "J6 J3"},
	{`message:"left over"`, ""},
	{`message:"the shop \"Köln\" is closed (503): see C:\\shop, then retry"`, "J2"},
	{`message:"the shop \"Köln\" is closed (503): see C:\shop, then retry"`, "J2"},
	{`message:"null"`, "J6"},
	{`message:"missing"`, ""},
	{`message:"exists"`, ""},
	{`message:"~timeout"`, ""},
	{`message:">a"`, ""},
	{`message:""`, ""},

	// dates: they are compared with the times of responses, which have milliseconds
	{`metadata.createdAt:"2026-01-01T10:00:00.123Z"`, "J1"},
	{`metadata.createdAt:"2026-01-01T10:00:00.1239Z"`, "J1"},
	{`metadata.createdAt:"2026-01-01T10:00:00.124Z"`, ""},
	{`metadata.createdAt:"2026-01-01T10:00:00Z"`, ""},
	{`metadata.createdAt:"2026-01-02T10:00:00Z"`, "J2"},
	{`metadata.createdAt:"2026-01-02T12:30:00.000+02:30"`, "J2"},
	{`metadata.modifiedAt:"2026-01-03T12:00:00Z"`, "J3"},
	{`metadata.createdAt:("2026-01-03T10:00:00Z", "2026-01-04T10:00:00Z")`, "J4 J3"},

	// field:(a,b)
	{"id:(J3)", "J3"},
	{"id:(J3,J1,J9,J3)", "J3 J1"},
	{"id:( J3 , J1 )", "J3 J1"},
	{"status:(SUCCESS,PENDING)", "J7 J4 J1"},
	{`message:("null",timeout)`, "J6 J3"},
	{"processedCount:(50,3)", "J6 J3 J2"},
	{"expectedCount:(0,-1)", "J4"},

	// ranges
	{"processedCount:>10", "J6 J3 J1"},
	{"processedCount:>=10", "J8 J6 J3 J1"},
	{"processedCount:<9", "J7 J4 J2"},
	{"processedCount:<=9", "J7 J5 J4 J2"},
	{"expectedCount:>=0", "J8 J5 J4 J3 J1"},
	{"expectedCount:<1000", "J5 J4 J3 J1"},
	{"expectedCount:>-9223372036854775808", "J8 J5 J4 J3 J1"},
	{`metadata.createdAt:>"2026-01-06T10:00:00Z"`, "J8 J7"},
	{`metadata.createdAt:>="2026-01-06T10:00:00Z"`, "J8 J7 J6"},
	{`metadata.createdAt:<"2026-01-02T11:00:00+01:00"`, "J1"},
	{`metadata.createdAt:<="2026-01-02T11:00:00+01:00"`, "J2 J1"},
	{`metadata.createdAt:<="2026-01-01T10:00:00.123Z"`, "J1"},
	{"processedCount:(>=9 AND <=50)", "J8 J6 J5 J3"},
	{"processedCount:(>9 AND <50)", "J8"},
	{"processedCount:( <=50  AND  >=9 )", "J8 J6 J5 J3"},
	{"processedCount:(>=50 AND <=9)", ""},
	{"expectedCount:(>=0 AND <=9)", "J5 J4"},
	{`metadata.modifiedAt:(>="2026-01-03T12:00:00Z" AND <="2026-01-04T10:00:00Z")`, "J4 J3"},

	// field:~regex
	{"message:~time", "J3"},
	{"message:~TIME", ""},
	{"message:~(?i)TIME", "J3"},
	{"message:~^out", ""},
	{"message:~out$", "J3"},
	{"message:~left", ""},
	{"message:~.", "J6 J3 J2"},
	{"message:~.*", "J6 J3 J2"},
	{`message:~\(\d{3}\):`, "J2"},
	{`message:~"shop \"K.ln\" is"`, "J2"},
	{`message:~"C:\\\\shop"`, "J2"},
	{`message:~\"Köln\"`, "J2"},
	{"status:~^(SUCC|PEND)", "J7 J4 J1"},
	{"id:~[3-5]", "J5 J4 J3"},
	{"entityType:~T$", "J8 J6 J5 J4 J3 J2 J1"},
	{"id:~3 status:~F", "J3"},

	// regular expressions with spaces
	{"message:(~shop .K.ln. is)", "J2"},
	{"message:~(shop .K.ln. is)", "J2"},
	{"message:~(is closed|timeout) status:FAILURE", "J3 J2"},
	{"message:(~is closed|timeout) status:FAILURE", "J3 J2"},
	{"message:( ~is closed)", "J2"},
	{"message:(~(is|was) (closed|open))", "J2"},
	{`message:(~closed \(503\):)`, "J2"},
	{`message:(~closed [(]503[)]:)`, "J2"},
	{`message:(~"closed (503): see")`, ""},
	{`message:(~"closed \\(503\\): see")`, "J2"},
	{`message:~closed\ [(]503`, "J2"},
	{"message:~[x ]Is", ""},
	{"message:~(?i)[x ]IS\tid:exists", "J2"},
	{"id:(~J3) message:(~time)", "J3"},

	// fields of the report
	{"readCount:57", "J3"},
	{"rejectedCount:>0", "J3"},
	{"rejectedCount:0", "J8 J7 J6 J5 J4 J2 J1"},
	{"duplicateCount:(>=1 AND <3)", "J5"},
	{"phase:load", "J3"},
	{"phase:seal", "J5"},
	{"phase:(pending,open)", "J8 J7 J6 J2"},
	{"phase:begin", ""},
	{"conflictCount:1", "J5"},
	{"changesApplied:7", "J5"},
	{"changesRefused:3", "J5"},
	{"ignoredFieldCount:12", "J5"},
	{"durations.openMillis:missing", jobquerytest.EveryJob},
	{"phase:missing", "J4 J1"},
	{"durations.loadMillis:>=1000", "J5 J3"},
	{"durations.beginMillis:20", "J3"},
	{"durations.sealMillis:1", "J5"},
	{"durations.totalMillis:exists", "J5"},
	{"rag:missing", jobquerytest.EveryJob},
	{"rag:true", ""},

	// null, exists, missing
	{"message:exists", "J6 J3 J2"},
	{"message:missing", "J8 J7 J5 J4 J1"},
	{"message:null", "J8 J7 J5 J4 J1"},
	{"expectedCount:exists", "J8 J5 J4 J3 J1"},
	{"expectedCount:missing", "J7 J6 J2"},
	{"expectedCount:null", "J7 J6 J2"},
	{"estimated:true", "J8"},
	{"estimated:exists", "J8"},
	{"estimated:missing", "J7 J6 J5 J4 J3 J2 J1"},
	{"id:exists", jobquerytest.EveryJob},
	{"entityType:exists", jobquerytest.EveryJob},
	{"status:exists", jobquerytest.EveryJob},
	{"processedCount:exists", jobquerytest.EveryJob},
	{"metadata.createdAt:exists", jobquerytest.EveryJob},
	{"metadata.modifiedAt:missing", ""},

	// several
	{"status:FAILURE processedCount:50", "J6 J3"},
	{" status:FAILURE\t processedCount:50\r\nexpectedCount:exists ", "J3"},
	{"status:FAILURE status:SUCCESS", ""},
	{"processedCount:>3 processedCount:<50 id:(J1,J5)", "J5"},
}

// selected returns the ids of the jobs that a parameter q selects, in the order of a parameter sort.
func selected(t *testing.T, q, sort string) string {
	t.Helper()
	conditions, err := ParseConditions(q)
	if err != nil {
		t.Errorf("%s: got error %v, want none", q, err)
	}
	order, err := ParseSort(sort)
	if err != nil {
		t.Errorf("%s: got error %v, want none", sort, err)
	}
	jobs := jobquerytest.Varied()
	slices.Reverse(jobs)
	query := reindex.JobQuery{
		Match:   func(job reindex.Job) bool { return conditions.Hold(Job{Record: job}) },
		Compare: func(a, b reindex.Job) int { return order.Compare(Job{Record: a}, Job{Record: b}) },
	}
	jobs, _ = query.Select(jobs)
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
	return strings.Join(ids, " ")
}

// Every kind of condition in the grammar selects the right jobs.
func TestConditions(t *testing.T) {
	for _, tc := range conditionTests {
		if got := selected(t, tc.q, ""); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.q, got, tc.want)
		}
	}
}

const (
	needsField = "the name of a field is needed: id, entityType, rag, dryRun, mode, generation, status, phase, " +
		"expectedCount, estimated, readCount, processedCount, " +
		"rejectedCount, duplicateCount, conflictCount, changesApplied, changesRefused, ignoredFieldCount, message, " +
		"durations.pendingMillis, durations.openMillis, durations.beginMillis, durations.loadMillis, durations.sealMillis, " +
		"durations.commitMillis, durations.totalMillis, metadata.createdAt, metadata.modifiedAt"
	needsSpace = `a space must follow a condition; write a value with spaces or any of "(),: in double quotes`
	takesCount = "field 'processedCount' takes a whole number of 64 bits, such as 100"
	takesDate  = `field 'metadata.createdAt' takes a date and time in double quotes, such as ` +
		`"2026-01-02T15:04:05.000Z"; the + of an offset is %2B in a URL`
	statuses  = "one of PENDING, IN_PROGRESS, PUBLISHED, SUCCESS, FAILURE"
	noMeaning = "null, missing, exists, ~, < and > are not allowed here; write a text that begins with them in " +
		"double quotes"
	tooLarge = "all regular expressions of a q may have at most 200 instructions when compiled; use fewer or smaller " +
		"repetitions"
)

var refusedConditions = []struct{ q, detail string }{
	{"name:x", "At character 1: " + needsField},
	{"ID:x", "At character 1: " + needsField},
	{"metadata:exists", "At character 1: " + needsField},
	{"metadata.:x", "At character 1: " + needsField},
	{":x", "At character 1: " + needsField},
	{`"id":x`, "At character 1: " + needsField},
	{"(id:J1)", "At character 1: " + needsField},
	{"id:J1 OR id:J2", "At character 7: " + needsField},
	{"id:J1,", "At character 6: " + needsSpace},
	{"id", "At character 3: a colon must follow the name of a field"},
	{"id J1", "At character 3: a colon must follow the name of a field"},
	{"id=J1", "At character 1: " + needsField},
	{"id:", "At character 4: a value is missing; field 'id' takes a text"},
	{"id: J1", "At character 4: a value is missing; field 'id' takes a text"},
	{"id:J1:J2", "At character 6: " + needsSpace},
	{"id:J1)", "At character 6: " + needsSpace},
	{`id:"J1"status:SUCCESS`, "At character 8: " + needsSpace},
	{`id:exists"`, "At character 10: " + needsSpace},
	{`message:"Köln`, "At character 9: the double quotes are not closed"},
	{`message:"Köln\"`, "At character 9: the double quotes are not closed"},
	{`message:~"Köln`, "At character 10: the double quotes are not closed"},
	{`message:"Köln" x:y`, "At character 16: " + needsField},

	{"processedCount:abc", "At character 16: " + takesCount},
	{"processedCount:1.5", "At character 16: " + takesCount},
	{"processedCount:1e3", "At character 16: " + takesCount},
	{"processedCount:9223372036854775808", "At character 16: " + takesCount},
	{`processedCount:""`, "At character 16: " + takesCount},
	{
		"processedCount:>",
		"At character 17: a value is missing; field 'processedCount' takes a whole number of 64 bits, such as 100",
	},
	{"processedCount:>=null", "At character 18: " + takesCount},
	{"processedCount:=5", "At character 16: " + takesCount},
	{"processedCount:>=<5", "At character 18: " + takesCount},
	{"processedCount:(1,x)", "At character 19: " + takesCount},
	{
		"processedCount:~1",
		"At character 16: field 'processedCount' does not take a regular expression; it takes a whole number of 64 " +
			"bits, such as 100",
	},

	{"metadata.createdAt:2026-01-02T15:04:05Z", "At character 20: " + takesDate},
	{"metadata.createdAt:yesterday", "At character 20: " + takesDate},
	{`metadata.createdAt:"2026-01-02"`, "At character 20: " + takesDate},
	{`metadata.createdAt:"2026-01-02T15:04:05"`, "At character 20: " + takesDate},
	{`metadata.createdAt:"2026-01-02T15:04:05 01:00"`, "At character 20: " + takesDate},
	{`metadata.createdAt:"2026-02-30T15:04:05Z"`, "At character 20: " + takesDate},
	{`metadata.createdAt:>2026`, "At character 21: " + takesDate},
	{`metadata.createdAt:~2026`, "At character 20: field 'metadata.createdAt' does not take a regular expression; it " +
		"takes " +
		strings.TrimPrefix(takesDate, "field 'metadata.createdAt' takes ")},

	{"status:DONE", "At character 8: field 'status' takes " + statuses},
	{"status:success", "At character 8: field 'status' takes " + statuses},
	{"status:(SUCCESS,null)", "At character 17: field 'status' takes " + statuses},
	{"estimated:false", "At character 11: field 'estimated' takes only true"},
	{"status:>PENDING", "At character 8: field 'status' has no order; it takes " + statuses},
	{"id:(>=J1 AND <=J2)", "At character 5: field 'id' has no order; it takes a text"},
	{"message:<x", "At character 9: field 'message' has no order; it takes a text"},

	{"id:()", "At character 5: a value is missing; field 'id' takes a text"},
	{"id:(J1,)", "At character 8: a value is missing; field 'id' takes a text"},
	{"id:(J1", "At character 7: a comma or a closing parenthesis must follow a value in parentheses"},
	{"id:(J1 J2)", "At character 8: a comma or a closing parenthesis must follow a value in parentheses"},
	{"message:(null)", "At character 10: " + noMeaning},
	{"message:(timeout,missing)", "At character 18: " + noMeaning},
	{"message:(exists)", "At character 10: " + noMeaning},
	{"message:(time,~x)", "At character 15: " + noMeaning},
	{"message:(~time", "At character 15: a closing parenthesis must follow a regular expression in parentheses"},
	{`message:(~"time"x)`, "At character 17: a closing parenthesis must follow a regular expression in parentheses"},
	{"message:(~)", "At character 11: a regular expression is missing"},
	{"message:(~(a)", "At character 14: a closing parenthesis must follow a regular expression in parentheses"},
	{"message:(~a)b", "At character 13: " + needsSpace},
	{"message:~(a b", "At character 10: not a regular expression of RE2: missing closing ): (a"},
	{
		"processedCount:(~1)",
		"At character 17: field 'processedCount' does not take a regular expression; it takes a whole number of 64 " +
			"bits, such as 100",
	},
	{"phase:reading", "At character 7: field 'phase' takes one of pending, open, begin, load, seal, commit"},
	{"durations:exists", "At character 1: " + needsField},
	{"message:(time,>x)", "At character 15: " + noMeaning},
	{"message:(time,<x)", "At character 15: " + noMeaning},

	{"processedCount:(>=1)", "At character 20: the word AND and a second comparison must follow"},
	{"processedCount:(>=1 and <=2)", "At character 21: the word AND and a second comparison must follow"},
	{"processedCount:(>=1 AND<=2)", "At character 24: the word AND and a second comparison must follow"},
	{"processedCount:(>=1,<=2)", "At character 20: the word AND and a second comparison must follow"},
	{"processedCount:(>=1 AND 2)", "At character 25: a comparison begins with >, >=, < or <="},
	{"processedCount:(>=1 AND <=2", "At character 28: a closing parenthesis must follow the second comparison"},
	{"processedCount:(>=1 AND <=2 AND <=3)", "At character 29: a closing parenthesis must follow the second comparison"},
	{"processedCount:(1 AND 2)", "At character 19: a comma or a closing parenthesis must follow a value in parentheses"},

	{"message:~", "At character 10: a regular expression is missing"},
	{`message:~""`, "At character 10: a regular expression is missing"},
	{"message:~(a", "At character 10: not a regular expression of RE2: missing closing ): (a"},
	{`message:~(a)\1`, `At character 10: not a regular expression of RE2: invalid escape sequence: \1`},
	{"message:~(?=a)", "At character 10: not a regular expression of RE2: invalid or unsupported Perl syntax: (?="},
	{"message:~a{1001}", "At character 10: not a regular expression of RE2: invalid repeat count: {1001}"},
	{"message:~" + strings.Repeat("ä", 129), "At character 10: a regular expression has at most 128 characters"},
	{"message:~(.?){1000}", "At character 10: " + tooLarge},
	{"message:~a{100} id:~a{100}", "At character 21: " + tooLarge},

	{"message:\xff", "At character 9: invalid UTF-8"},
	{"message:\"Kö\xc3\"", "At character 12: invalid UTF-8"},
	{strings.Repeat("ä", 4097), "At character 4097: q has at most 4096 characters"},
	{strings.Repeat(" ", 4096) + "id:J1", "At character 4097: q has at most 4096 characters"},
}

// The error of an invalid q names the place and the values that are allowed there.
func TestConditionsAreRefused(t *testing.T) {
	for _, tc := range refusedConditions {
		_, err := ParseConditions(tc.q)
		if wrong, ok := errors.AsType[*Error](err); !ok || *wrong != (Error{"Invalid q", tc.detail}) {
			t.Errorf("%.80s: got %v, want %q", tc.q, err, tc.detail)
		}
	}
}

// The longest allowed q is accepted.
func TestLongestConditions(t *testing.T) {
	q := "id:(J3" + strings.Repeat(",ä", (MaxConditions-7)/2)
	q += strings.Repeat(" ", MaxConditions-1-len([]rune(q))) + ")"
	if got := selected(t, q, ""); got != "J3" {
		t.Errorf("the longest q selects %q, want J3", got)
	}
	if got := selected(t, "id:~"+strings.Repeat("ä", MaxPattern), ""); got != "" {
		t.Errorf("the longest regular expression selects %q, want no job", got)
	}
}
