package sqlsource_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"productindex/source/sqlsource"
)

// killMySQL ends every other connection.
func killMySQL(tb testing.TB, admin *sql.DB) {
	tb.Helper()
	conn, err := admin.Conn(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.QueryContext(
		tb.Context(),
		"SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND command <> 'Daemon'",
	)
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			tb.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	for _, id := range ids {
		if _, err := conn.ExecContext(tb.Context(), fmt.Sprintf("KILL %d", id)); err != nil {
			tb.Fatal(err)
		}
	}
}

// mysqlTypes has column types, a value of each, and the JSON of the value.
var mysqlTypes = []struct{ column, value, want string }{
	{"varchar(20)", "NULL", `null`},
	{"varchar(20)", `'größe "x" \\ \n'`, `"größe \"x\" \\ \n"`},
	{"char(4)", "'ab'", `"ab"`},
	{"longtext", "'🧦'", `"🧦"`},
	{"varchar(20) CHARACTER SET latin1", "'größe'", `"größe"`},
	{"tinyint", "-128", `-128`},
	{"tinyint unsigned", "255", `255`},
	{"boolean", "true", `1`},
	{"smallint unsigned", "65535", `65535`},
	{"mediumint", "-8388608", `-8388608`},
	{"int unsigned", "4294967295", `4294967295`},
	{"bigint", "-9223372036854775808", `-9223372036854775808`},
	{"bigint unsigned", "7", `7`},
	{"bigint unsigned", "18446744073709551615", `18446744073709551615`},
	{"float", "0.1", `0.1`},
	{"float", "16777216", `16777216`},
	{"double", "0.1", `0.1`},
	{"double", "1.7976931348623157e308", `1.7976931348623157e+308`},
	{"decimal(10,2)", "19.90", `19.90`},
	{
		"decimal(65,30)",
		"-12345678901234567890123456789012345.678901234567890123456789012345",
		`-12345678901234567890123456789012345.678901234567890123456789012345`,
	},
	{"decimal(3,2)", "-0.5", `-0.50`},
	{"bit(1)", "b'1'", `1`},
	{"bit(12)", "b'100000000001'", `2049`},
	{"bit(64)", "18446744073709551615", `18446744073709551615`},
	{"date", "'2024-02-29'", `"2024-02-29"`},
	{"date", "'0000-00-00'", `null`},
	{"date", "'2024-00-00'", `"2024-00-00"`},
	{"date", "'2024-02-00'", `"2024-02-00"`},
	{"datetime", "'2024-00-00 12:34:56'", `"2024-00-00 12:34:56"`},
	{"datetime", "'2024-02-29 12:34:56'", `"2024-02-29T12:34:56Z"`},
	{"datetime(6)", "'2024-02-29 12:34:56.789000'", `"2024-02-29T12:34:56.789Z"`},
	{"datetime", "'0000-00-00 00:00:00'", `null`},
	{"timestamp NULL", "'2024-02-29 12:34:56'", `"2024-02-29T12:34:56Z"`},
	{"timestamp(6) NULL", "'2024-02-29 12:34:56.000789'", `"2024-02-29T12:34:56.000789Z"`},
	{"timestamp NULL", "NULL", `null`},
	{"timestamp NULL", "'0000-00-00 00:00:00'", `null`},
	{"time", "'-12:34:56'", `"-12:34:56"`},
	{"time(3)", "'12:34:56.789'", `"12:34:56.789"`},
	{"year", "2024", `2024`},
	{"enum('red', 'dark blue')", "'dark blue'", `"dark blue"`},
	{"set('a', 'b', 'c')", "'c,a'", `"a,c"`},
	{"blob", "x'00ff10'", `"AP8Q"`},
	{"varbinary(10)", "x'6162'", `"YWI="`},
	{"binary(4)", "x'6162'", `"YWIAAA=="`},
	{"json", `'{"a": [1, 2.50]}'`, `"{\"a\": [1, 2.50]}"`},
	{"uuid", "'6579c22f-be2b-444c-a52b-0116dd82df6c'", `"6579c22f-be2b-444c-a52b-0116dd82df6c"`},
	{"point", "ST_PointFromText('POINT(1 2)')", `"AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA=="`},
}

// mysqlHostTypes has columns whose types the host sets in Config.Types.
var mysqlHostTypes = []struct {
	column, value string
	host          sqlsource.Type
	want          string
}{
	{"json", `'{"a": [1, 2.50]}'`, sqlsource.JSON, `{"a": [1, 2.50]}`},
	{"json", "NULL", sqlsource.JSON, `null`},
	{"text", "'no json'", sqlsource.JSON, `"no json"`},
	{"boolean", "true", sqlsource.Boolean, `true`},
	{"tinyint(1)", "0", sqlsource.Boolean, `false`},
	{"boolean", "NULL", sqlsource.Boolean, `null`},
	{"tinyint(1)", "2", sqlsource.Boolean, `2`},
	{"bit(1)", "b'1'", sqlsource.Boolean, `true`},
	{"bit(1)", "b'0'", sqlsource.Boolean, `false`},
	{"bit(2)", "b'10'", sqlsource.Boolean, `2`},
}

// The JSON is the same with and without parameters, which make MySQL send binary values instead of texts. Neither the
// driver's parseTime nor the session's time zone changes it.
func testMySQLTypes(t *testing.T, dsn string) {
	admin := open(t, "mysql", dsn+"?time_zone=%27%2B00:00%27&sql_mode=%27%27")
	columns, values := []string{"id int PRIMARY KEY"}, []string{"1"}
	want := []string{`"id":1`}
	types := map[string]sqlsource.Type{}
	add := func(column, value, json string) string {
		name := fmt.Sprintf("c%d", len(columns))
		columns, values = append(columns, name+" "+column), append(values, value)
		want = append(want, fmt.Sprintf(`"%s":%s`, name, json))
		return name
	}
	for _, c := range mysqlTypes {
		add(c.column, c.value, c.want)
	}
	for _, c := range mysqlHostTypes {
		types[add(c.column, c.value, c.want)] = c.host
	}
	exec(
		t,
		admin,
		"CREATE TABLE types ("+strings.Join(columns, ", ")+")",
		"INSERT INTO types VALUES ("+strings.Join(values, ", ")+")",
	)
	for _, params := range []string{
		"", "?parseTime=true", "?interpolateParams=true", "?time_zone=%27-05:00%27",
		"?parseTime=true&time_zone=%27-05:00%27", "?sql_mode=ANSI",
	} {
		db := open(t, "mysql", dsn+params)
		for query, args := range map[string]func(string) []any{
			"SELECT * FROM types":                  func(string) []any { return nil },
			"SELECT * FROM types WHERE ? = 'shop'": nil,
		} {
			products, err := read(
				t,
				newSource(t, db, sqlsource.Config{Dialect: sqlsource.MySQL, Query: query, Args: args, Types: types}),
			)
			if err != nil || len(products) != 1 {
				t.Fatalf("%s, %s: got %d products, error %v, want 1", params, query, len(products), err)
			}
			got := string(products[0].Body)
			if got != "{"+strings.Join(want, ",")+"}" {
				t.Errorf("%s, %s: got\n%s, want\n%s", params, query, got, strings.Join(want, ","))
			}
		}
	}
	testMySQLDriverZone(t, dsn)
}

// If the driver assigns a time zone to DATETIME values, the JSON has the time in UTC. A DATE stays the same day.
func testMySQLDriverZone(t *testing.T, dsn string) {
	t.Helper()
	// A key column has the same JSON as other columns.
	for _, params := range []string{"", "?parseTime=true"} {
		products, err := read(t, newSource(t, open(t, "mysql", dsn+params), sqlsource.Config{
			Dialect: sqlsource.MySQL, Key: "day", Query: "SELECT ? AS id, DATE '2024-02-29' AS day",
		}))
		if want := `{"id":"shop","day":"2024-02-29"}`; err != nil || len(products) != 1 || string(products[0].Body) != want {
			t.Errorf("got %s, error %v, want %s", products, err, want)
		}
	}
	products, err := read(t, newSource(t, open(t, "mysql", dsn+"?parseTime=true&loc=Asia%2FTokyo"), sqlsource.Config{
		Dialect: sqlsource.MySQL, Query: "SELECT ? AS id, DATE '2024-02-29' AS day, TIMESTAMP '2024-02-29 12:34:56' AS at",
	}))
	if want := `{"id":"shop","day":"2024-02-29","at":"2024-02-29T03:34:56Z"}`; err != nil || len(products) != 1 ||
		string(products[0].Body) != want {
		t.Errorf("got %s, error %v, want %s", products, err, want)
	}
}

// Pages by a key of each type hold every row once, in the order of the key. A type is refused if MySQL compares its
// values in another order than it sorts them.
func testMySQLKeys(t *testing.T, dsn string) {
	admin := open(t, "mysql", dsn)
	for column, test := range map[string]struct {
		values []string // in the order of the database
		err    string
	}{
		"int": {values: []string{"-1", "0", "7", "10"}},
		"bigint unsigned": {
			values: []string{"1", "9223372036854775807", "9223372036854775808", "18446744073709551614", "18446744073709551615"},
		},
		"decimal(30,5)": {values: []string{
			"-1.50000", "9007199254740993.00000", "9007199254740993.00001", "1234567890123456789012345.00001",
			"1234567890123456789012345.00002",
		}},
		"varchar(20)":                            {values: []string{"10", "9", "A", "a", "ä", "日本語"}},
		"varchar(20) COLLATE utf8mb4_general_ci": {values: []string{"10", "a", "B", "c", "D"}},
		"varchar(20) COLLATE utf8mb4_unicode_ci": {values: []string{"_x", "10", "a", "B", "œ", "z"}},
		"varchar(20) CHARACTER SET latin1":       {values: []string{"a", "B", "P", "ö"}},
		"binary(2)":                              {values: []string{"ab", "ac", "b0"}, err: "it is a BINARY"},
		"uuid": {values: []string{
			"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002",
			"00000000-0000-0000-0000-000000000003",
		}},
		"time":                         {values: []string{"-01:00:00", "09:00:00", "10:00:00", "100:00:00"}},
		"enum('red', 'blue', 'green')": {values: []string{"red", "blue", "green"}, err: "MySQL compares ENUM"},
		"set('red', 'blue', 'green')":  {values: []string{"red", "blue", "green"}, err: "MySQL compares SET"},
		"bit(8)":                       {values: []string{"1", "2", "3"}, err: "MySQL compares BIT"},
	} {
		exec(
			t,
			admin,
			"DROP TABLE IF EXISTS sorted, heap",
			"CREATE TABLE sorted (id "+column+" PRIMARY KEY)",
			"CREATE TABLE heap (id "+column+")",
			"INSERT INTO sorted VALUES ('"+strings.Join(
				test.values,
				"'), ('",
			)+"')",
			"INSERT INTO heap SELECT id FROM sorted ORDER BY id DESC",
		)
		for _, params := range []string{"", "?interpolateParams=true"} {
			db := open(t, "mysql", dsn+params)
			for _, table := range []string{"sorted", "heap"} {
				testMySQLKey(t, db, column, "SELECT id FROM "+table, test.values, test.err)
			}
		}
	}
}

func testMySQLKey(t *testing.T, db *sql.DB, column, query string, want []string, refused string) {
	t.Helper()
	for size := 1; size < 8; size++ {
		products, err := read(t, newSource(t, db, sqlsource.Config{
			Dialect: sqlsource.MySQL, PageRows: size, Query: query, Args: func(string) []any { return nil },
		}))
		if refused != "" {
			if err == nil || !strings.Contains(err.Error(), refused) {
				t.Errorf("%s, %s, pages of %d: got %d products, error %v, want a refusal", column, query, size, len(products), err)
			}
			continue
		}
		var ids []string
		for _, p := range products {
			ids = append(ids, p.ID)
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("%s, %s, pages of %d: got %q, error %v; want %q", column, query, size, ids, err, want)
		}
	}
}

// Texts that are equal in a collation could swap their places between two pages. No text is lost without an error. If
// all texts differ in the collation, the pages are in its order.
func testMySQLCollations(t *testing.T, d database) {
	db := d.open(t)
	exec(t, db, "CREATE TABLE collated (id varchar(20) COLLATE utf8mb4_general_ci)",
		"INSERT INTO collated VALUES ('a'), ('A'), ('á'), ('b'), ('B'), ('c '), ('c')")
	const total = 7
	for size := 1; size < 9; size++ {
		products, err := read(t, newSource(t, db, sqlsource.Config{
			Dialect: d.dialect, PageRows: size, Query: "SELECT id FROM collated WHERE ? <> ''",
		}))
		ids := map[string]bool{}
		for _, p := range products {
			ids[p.ID] = true
		}
		if err == nil && len(ids) != total {
			t.Errorf("pages of %d: got %v without an error, want all products or an error", size, ids)
		}
		products, err = read(t, newSource(t, db, sqlsource.Config{
			Dialect: d.dialect, PageRows: size, Query: "SELECT id COLLATE utf8mb4_nopad_bin AS id FROM collated WHERE ? <> ''",
		}))
		if err != nil || len(products) != total || products[0].ID != "A" || products[total-1].ID != "á" {
			t.Errorf("pages of %d in a binary collation: got %d products, error %v, want all in order", size, len(products), err)
		}
	}
}
