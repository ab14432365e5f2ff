package main

import (
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver sqlite
)

// connectTimeout limits the time to connect to a database if its URL sets no limit.
const connectTimeout = 5 * time.Second

// connLifetime limits the lifetime of a connection to a server, so that a connection to a former primary is soon
// closed.
const connLifetime = 5 * time.Minute

// databaseKind is a database system.
type databaseKind string

const (
	postgresKind databaseKind = "PostgreSQL"
	mysqlKind    databaseKind = "MySQL"
	sqliteKind   databaseKind = "SQLite"
)

// The parameters of a SQLite file that the server owns, and of one that it only reads.
const (
	ownFile  = "_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)"
	readOnly = "mode=ro&_pragma=busy_timeout(5000)"
)

// openDatabase opens the database that an environment variable names. Its errors do not contain the value of the
// variable, which may hold a password; forms are the forms that the value can have.
func openDatabase(variable, forms, name, sqliteParams string) (*sql.DB, databaseKind, error) {
	scheme, path, _ := strings.Cut(name, ":")
	var db *sql.DB
	var err error
	kind := postgresKind
	switch {
	case scheme == "sqlite" && path != "":
		file := url.URL{Path: path}
		db, err = sql.Open("sqlite", "file:"+file.EscapedPath()+"?"+sqliteParams)
		return db, sqliteKind, err
	case scheme == "postgres" || scheme == "postgresql":
		db, err = openPostgres(name)
	case scheme == "mysql":
		kind = mysqlKind
		db, err = openMySQL(name)
	default:
		return nil, "", fmt.Errorf("%s must be %s", variable, forms)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s is not a valid URL of a database", variable) // err may contain a part of the URL
	}
	db.SetConnMaxLifetime(connLifetime)
	return db, kind, nil
}

func openPostgres(name string) (*sql.DB, error) {
	connection, err := pgx.ParseConfig(name)
	if err != nil {
		return nil, err
	}
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = connectTimeout
	}
	return stdlib.OpenDB(*connection), nil
}

// openMySQL opens a database by a URL, which the driver itself does not support:
// mysql://user:password@host:3306/database with the driver's parameters. The parameter socket is the path of a Unix
// socket, which replaces the host.
func openMySQL(name string) (*sql.DB, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, err
	}
	params := u.Query()
	network, address := "tcp", u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "3306")
	}
	if socket := params.Get("socket"); socket != "" {
		network, address = "unix", socket
		params.Del("socket")
	}
	cfg, err := mysql.ParseDSN("/?" + params.Encode())
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), network, address, strings.TrimPrefix(u.Path, "/")
	cfg.Passwd, _ = u.User.Password()
	if cfg.Timeout == 0 {
		cfg.Timeout = connectTimeout
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}
