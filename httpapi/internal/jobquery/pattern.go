package jobquery

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

const (
	// MaxPattern is the length of the longest regular expression in a q, in characters.
	MaxPattern = 128
	// MaxInstructions limits the instructions into which all regular expressions of a q are compiled. The time to match a
	// text is at most proportional to them, and a few characters such as .{1000} make thousands.
	MaxInstructions = 200
)

// compilePattern compiles a regular expression that is within the limits, and returns the greatest number of its
// instructions. Its errors are reasons for a caller.
func compilePattern(expression string, allowed int) (re *regexp.Regexp, instructions int, err error) {
	switch {
	case expression == "":
		return nil, 0, errors.New("a regular expression is missing")
	case utf8.RuneCountInString(expression) > MaxPattern:
		return nil, 0, fmt.Errorf("a regular expression has at most %d characters", MaxPattern)
	}
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, 0, patternError(err)
	}
	if instructions = programSize(tree); instructions > allowed {
		return nil, 0, fmt.Errorf(
			"all regular expressions of a q may have at most %d instructions when compiled; use fewer or smaller repetitions",
			MaxInstructions,
		)
	}
	re, err = regexp.Compile(expression)
	if err != nil {
		return nil, 0, patternError(err)
	}
	return re, instructions, nil
}

// isUnfinished reports whether an expression ends within parentheses, brackets or an escape.
func isUnfinished(expression string) bool {
	_, err := syntax.Parse(expression, syntax.Perl)
	bad, ok := errors.AsType[*syntax.Error](err)
	return ok &&
		(bad.Code == syntax.ErrMissingParen || bad.Code == syntax.ErrMissingBracket ||
			bad.Code == syntax.ErrTrailingBackslash)
}

func patternError(err error) error {
	if bad, ok := errors.AsType[*syntax.Error](err); ok {
		return fmt.Errorf("not a regular expression of RE2: %s: %s", bad.Code, bad.Expr)
	}
	return errors.New("not a regular expression of RE2")
}

// programSize returns an upper bound of the instructions into which package regexp compiles a tree. Compiling the tree
// to count them would take 30 ms and 28 MB in the worst case.
func programSize(tree *syntax.Regexp) int {
	const begin, end = 1, 1
	return begin + size(tree) + end
}

func size(tree *syntax.Regexp) int {
	sum := 0
	for _, sub := range tree.Sub {
		sum += size(sub)
	}
	switch tree.Op {
	case syntax.OpLiteral:
		return max(1, len(tree.Rune))
	case syntax.OpConcat:
		return max(1, sum)
	case syntax.OpAlternate:
		return sum + len(tree.Sub) // a fork for each
	case syntax.OpCapture, syntax.OpStar: // the star of an expression that may be empty is compiled as (x+)?
		return sum + 2
	case syntax.OpPlus, syntax.OpQuest:
		return sum + 1
	case syntax.OpRepeat:
		if tree.Max < 0 { // the last repetition is a plus or a star
			return max(1, tree.Min)*sum + 2
		}
		return max(1, tree.Min*sum+(tree.Max-tree.Min)*(sum+1)) // each optional repetition has a question mark
	case syntax.OpNoMatch,
		syntax.OpEmptyMatch,
		syntax.OpCharClass,
		syntax.OpAnyCharNotNL,
		syntax.OpAnyChar,
		syntax.OpBeginLine,
		syntax.OpEndLine,
		syntax.OpBeginText,
		syntax.OpEndText,
		syntax.OpWordBoundary,
		syntax.OpNoWordBoundary:
	}
	return 1
}
