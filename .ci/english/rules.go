package main

import (
	"regexp"
	"slices"
	"strings"
)

// rule is a phrase to avoid.
type rule struct {
	name    string
	pattern *regexp.Regexp
	// A match is acceptable if the text after it matches after, or the text before it matches before.
	after, before *regexp.Regexp
	// proseOnly means that strings are not checked. A string may be a part of a sentence, in which the phrase is right.
	proseOnly bool
}

// rules has the phrases to avoid. The comment on each of them has the words to use instead.
var rules = []rule{
	// "cannot"
	{name: "can not", pattern: regexp.MustCompile(`(?i)\bcan not\b`), after: regexp.MustCompile(`^ only\b`)},
	// "is not valid"
	{
		name: "is no", pattern: regexp.MustCompile(`\b(is|are|was|were|be) no\b`),
		after: regexp.MustCompile(`^ (longer|more|less|one)\b`), before: regexp.MustCompile(`(?i)\b(there|there can|there must|there may) $`),
	},
	// "is not one"
	{name: "is none", pattern: regexp.MustCompile(`\b(is|are|was|were) none\b`), before: regexp.MustCompile(`(?i)\b(there|what there) $`)},
	// "returns", "says", "shows"
	{name: "tell", pattern: regexp.MustCompile(`(?i)\b(tell|tells|telling|told)\b`)},
	// "per tenant"
	{
		name: "a for per",
		pattern: regexp.MustCompile(`(?i)\b(alias|allocations|allocs|byte|bytes|directory|engine|file|files|folder|generation|helper|index|indexes|` +
			`job|jobs|limit|load|lock|mapping|once|one|pointer|request|requests|row|run|runs|state|time|update|updates) ` +
			`an? (batch|client|generation|id|line|product|record|tenant)\b`),
	},
	// "also"
	{name: "too", pattern: regexp.MustCompile(`, too([^\w ]|$| (?:and|or|but|if|as|when|that|which|so|for|of|in|with|by|to|on|at|from|is|are|was)\b)`)},
	// "is seen as", "counts as"
	{name: "takes for", pattern: regexp.MustCompile(`(?i)\b(taken for|takes? (it|them|one|this|that|what|every|an?) (\w+ ){0,2}for (an?|one|the|what|granted)\b)`)},
	// "reports whether", "the value of", "the reason"
	{name: "what is", pattern: regexp.MustCompile(`\bwhat (is|are|was|were)\b`), proseOnly: true},
	// a noun as the subject
	{name: "What …", pattern: regexp.MustCompile(`(?:^|[.:;] )What (\w+)`), proseOnly: true},
	// "anyone who"
	{name: "whoever", pattern: regexp.MustCompile(`(?i)\bwhoever\b`)},
	// "fails", "has an error"
	{name: "go wrong", pattern: regexp.MustCompile(`(?i)\b(go|goes|going|gone|went) wrong\b`)},
	// "also not", in a sentence that names its subject
	{name: "Nor …", pattern: regexp.MustCompile(`(?:^|[.:;] )Nor \w+`)},
	// "if"
	{name: "where", pattern: regexp.MustCompile(`\b[Ww]here (there (is|are|was) (no|none|one)|it (is|was) (not|set|nil|known|empty|missing|absent)|(none|nothing|neither|not)\b|they (are|do) not)`)},
}

// found is a match.
type found struct {
	line   int
	around string
}

func (r rule) find(t text) (all []found) {
	if r.proseOnly && !t.prose {
		return nil
	}
	for _, at := range r.pattern.FindAllStringIndex(t.words, -1) {
		if r.after != nil && r.after.MatchString(t.words[at[1]:]) || r.before != nil && r.before.MatchString(t.words[:at[0]]) {
			continue
		}
		if r.proseOnly && isQuestion(t.words[at[0]:]) {
			continue
		}
		all = append(all, found{t.line(at[0]), around(t.words, at[0], at[1])})
	}
	return all
}

// isQuestion reports whether the sentence that begins here is a question.
func isQuestion(words string) bool {
	words = strings.TrimLeft(words, ".:; ")
	end := strings.IndexAny(words, ".?")
	return end >= 0 && words[end] == '?'
}

// around returns a match with some of the words around it.
func around(words string, from, to int) string {
	const some = 40
	for range some {
		if from > 0 && !slices.Contains([]byte("."), words[from-1]) {
			from--
		}
		if to < len(words) {
			to++
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(words[from:to], ""))
}
