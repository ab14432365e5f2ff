package jobquery

import (
	"regexp/syntax"
	"strings"
	"testing"
)

// compiledSize returns the number of instructions into which package regexp compiles an expression.
func compiledSize(t *testing.T, expression string) int {
	t.Helper()
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	return len(program.Inst)
}

// Short expressions with many instructions are refused before they are compiled. Common expressions are accepted.
func TestPatternSize(t *testing.T) {
	for _, tc := range []struct {
		expression string
		allowed    bool
	}{
		{"timeout", true},
		{"(?i)connection (refused|reset)|timeout|no such host", true},
		{`^[0-9]{4}-[0-9]{2}-[0-9]{2} .*\bproducts?\b`, true},
		{`\p{L}+\s*\(\d{3}\)`, true},
		{strings.Repeat("a", MaxPattern), true},
		{"(a*)*b", true},
		{"(a|aa)+$", true},
		{"(.?){1000}", false},
		{".{0,1000}", false},
		{".{1000}", false},
		{"(.{1,}){200,}", false},
		{"(((a{10}){10}){10})", false},
		{"(((a{10})?){30})", false},
		{"(a?){40}(a*){40}", false},
		{"(" + strings.Repeat("a?", 120) + "){0,1000}", false},
	} {
		re, size, err := compilePattern(tc.expression, MaxInstructions)
		if (err == nil) != tc.allowed || (re != nil) != tc.allowed {
			t.Errorf("%.40s: got error %v, want it allowed: %v", tc.expression, err, tc.allowed)
		}
		compiled := compiledSize(t, tc.expression)
		if tc.allowed && (size < compiled || size > compiled+10) || !tc.allowed && compiled <= MaxInstructions {
			t.Errorf("%.40s: %d instructions were estimated as %d, want at most 10 more", tc.expression, compiled, size)
		}
	}
	for _, size := range []int{1000, 100, 10} {
		if _, _, err := compilePattern("(.?){5}", size); err != nil && size > 10 || err == nil && size <= 10 {
			t.Errorf("if %d instructions are allowed: got error %v, want one only below 11", size, err)
		}
	}
}

// FuzzPatternSize checks that no expression has more instructions than estimated. Otherwise the limit would not hold.
func FuzzPatternSize(f *testing.F) {
	for _, expression := range []string{
		"", "a", "abc|abd|x?", "(a*)*", "((a|b)?c+)*?", "x{0}", "(abc){0,}", "x{2,}", "(x?){0,3}", "(){5}", "(|a){3,}",
		`\pL{2}\b$`, "(?i)straße", "[^\\x00-\\x{10FFFF}]",
		"((a{0,2}){1,2}){2,}", "(?s).(?m)^$", `\Q.\E`, "a**", "(?:(?:x*)+)?",
	} {
		f.Add(expression)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		tree, err := syntax.Parse(expression, syntax.Perl)
		if err != nil {
			return
		}
		size := programSize(tree)
		if size > 10_000 {
			return // compiling it would take too long
		}
		if compiled := compiledSize(t, expression); compiled > size {
			t.Fatalf("%q: %d instructions were estimated as %d, want at least as many", expression, compiled, size)
		}
	})
}
