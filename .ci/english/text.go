package main

import (
	"bytes"
	"go/scanner"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// text is a paragraph: a group of comments, a string, or lines of Markdown. White space in it is replaced by one space.
type text struct {
	words  string
	starts []start
	prose  bool // false for a string, which may be only a part of a sentence
}

// start is the offset in words at which a line of the file begins.
type start struct{ at, line int }

func (t *text) add(words string, line int) {
	words = strings.Join(strings.Fields(words), " ")
	if words == "" {
		return
	}
	if t.words != "" {
		t.words += " "
	}
	t.starts = append(t.starts, start{len(t.words), line})
	t.words += words
}

func (t *text) line(at int) int {
	line := 0
	for _, s := range t.starts {
		if s.at <= at {
			line = s.line
		}
	}
	return line
}

// generated matches the comment of generated files.
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// goTexts returns the comments and strings of a Go file.
func goTexts(content []byte) (texts []text) {
	if generated.Match(content) {
		return nil
	}
	file := token.NewFileSet().AddFile("", -1, len(content))
	var s scanner.Scanner
	s.Init(file, content, nil, scanner.ScanComments)
	var comments text
	last := 0 // the line of the last comment
	for {
		pos, kind, literal := s.Scan()
		line := file.Line(pos)
		if words, begins := commentWords(literal); kind == token.COMMENT && !begins && line == last+1 {
			comments.add(words, line)
			last = line
		} else if kind == token.COMMENT {
			texts = append(texts, comments)
			comments, last = text{prose: true}, line
			comments.add(words, line)
		}
		if value, err := strconv.Unquote(literal); kind == token.STRING && err == nil {
			value := text{words: strings.Join(strings.Fields(strings.ToValidUTF8(value, "")), " "), starts: []start{{0, line}}}
			texts = append(texts, value)
		}
		if kind == token.EOF {
			return append(texts, comments)
		}
	}
}

// commentWords returns the words of a comment, and reports whether it begins a paragraph. Code in a comment has no
// words.
func commentWords(literal string) (words string, begins bool) {
	words = strings.TrimSpace(strings.Trim(literal, "/*"))
	for _, code := range []string{"//\t", "//nolint", "//go:"} {
		if strings.HasPrefix(literal, code) {
			return "", true
		}
	}
	item, isItem := strings.CutPrefix(words, "- ")
	return item, isItem || words == "" || words[0] == '#' || !strings.HasPrefix(literal, "//")
}

// markdownTexts returns the paragraphs of a Markdown file without its code.
func markdownTexts(content string) (texts []text) {
	group := text{prose: true}
	end := func() {
		if group.words != "" {
			texts = append(texts, group)
		}
		group = text{prose: true}
	}
	fenced, number := false, 0
	for line := range strings.Lines(content) {
		number++
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "```") {
			fenced = !fenced
			end()
			continue
		}
		if trimmed == "" || strings.HasPrefix(trimmed, "- ") || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "|") {
			end()
		}
		if !fenced && !strings.HasPrefix(trimmed, "#") && (group.words != "" || !strings.HasPrefix(line, "    ")) {
			group.add(strings.TrimLeft(trimmed, "#-> "), number)
		}
	}
	end()
	return texts
}

// longLines returns the numbers of the lines over 120 columns, and the count of all lines. A generated file counts as
// empty.
func longLines(content []byte) (long []int, lines int) {
	if generated.Match(content) {
		return nil, 0
	}
	for line := range bytes.Lines(content) {
		lines++
		if utf8.RuneCount(bytes.TrimRight(line, "\n")) > 120 {
			long = append(long, lines)
		}
	}
	return long, lines
}
