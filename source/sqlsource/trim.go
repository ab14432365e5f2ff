package sqlsource

import "strings"

// trimQuery removes semicolons, spaces and comments from the end of a query. A source puts the query in parentheses, in
// which a semicolon would end the statement and a comment would hide the text after it.
func trimQuery(d Dialect, q string) string {
	for {
		trimmed := trimOnce(d, q)
		if trimmed == q {
			return q
		}
		q = trimmed // its end can now be a comment, such as the -- of --#
	}
}

func trimOnce(d Dialect, q string) string {
	end := 0
	for i := 0; i < len(q); {
		n, ignored := token(d, q[i:])
		i += n
		if !ignored {
			end = i
		}
	}
	return strings.TrimLeft(q[:end], " \t\r\n\f")
}

// token returns the length of the first token of q, and reports whether it can be removed from the end of a query.
func token(d Dialect, q string) (n int, ignored bool) {
	switch {
	case strings.IndexByte("; \t\r\n\f", q[0]) >= 0:
		return 1, true
	case isLineComment(d, q):
		return upTo(q, 0, "\n"), true
	case strings.HasPrefix(q, "/*"):
		// MySQL executes the text in /*! */, and MariaDB that in /*M! */.
		executed := d == MySQL && (strings.HasPrefix(q, "/*!") || strings.HasPrefix(q, "/*M!"))
		return blockComment(d, q), !executed
	case q[0] == '\'', q[0] == '"', q[0] == '`' && d != PostgreSQL:
		return quoted(d, q), false
	case d == PostgreSQL && (q[0] == 'e' || q[0] == 'E') && strings.HasPrefix(q[1:], "'"):
		return 1 + escaped(q[1:]), false
	case d == PostgreSQL && q[0] == '$':
		return dollarQuoted(q), false
	case isWord(q[0]):
		n = 1
		for n < len(q) && (isWord(q[n]) || q[n] == '$') {
			n++
		}
		return n, false
	}
	return 1, false
}

func isLineComment(d Dialect, q string) bool {
	if d == MySQL {
		return q[0] == '#' || q == "--" || strings.HasPrefix(q, "--") && q[2] <= ' '
	}
	return strings.HasPrefix(q, "--")
}

// blockComment returns the length of a block comment. In PostgreSQL comments can be nested.
func blockComment(d Dialect, q string) int {
	depth := 0
	for i := 0; i < len(q); {
		switch {
		case strings.HasPrefix(q[i:], "*/") && i > 1:
			i += 2
			if depth--; depth == 0 {
				return i
			}
		case strings.HasPrefix(q[i:], "/*") && (depth == 0 || d == PostgreSQL):
			depth++
			i += 2
		default:
			i++
		}
	}
	return len(q)
}

// quoted returns the length of a text or a name in quotes.
func quoted(d Dialect, q string) int {
	if d == MySQL && q[0] != '`' {
		return escaped(q)
	}
	return upTo(q, 1, q[:1]) // a doubled quote begins another token
}

// escaped returns the length of a quoted text in which a backslash escapes the next character.
func escaped(q string) int {
	for i := 1; i < len(q); i++ {
		switch q[i] {
		case '\\':
			i++
		case q[0]:
			return i + 1
		}
	}
	return len(q)
}

// dollarQuoted returns the length of a text such as $body$...$body$, or 1 for the dollar sign of a parameter.
func dollarQuoted(q string) int {
	end := 1
	for end < len(q) && isWord(q[end]) {
		end++
	}
	if end == len(q) || q[end] != '$' || end > 1 && q[1] <= '9' {
		return 1
	}
	return upTo(q, end+1, q[:end+1])
}

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// upTo returns the end of the first mark at or after a position, or the length of q.
func upTo(q string, from int, mark string) int {
	if i := strings.Index(q[from:], mark); i >= 0 {
		return from + i + len(mark)
	}
	return len(q)
}
