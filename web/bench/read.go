//go:build unix

package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/coagent-studio/coagent/store"
)

// roleRoute is one route of bare Fiber. It reads a room with bun and checks no identity.
const roleRoute = "route"

func startRoute(raw json.RawMessage) (*service, error) {
	var s site
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	db, err := openBun(s)
	if err != nil {
		return nil, err
	}
	server := fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true})
	server.Get("/api/v1/rooms/:id", func(c *fiber.Ctx) error {
		r := new(store.Room)
		if err := db.NewSelect().Model(r).Where("r.id = ?", c.Params("id")).Limit(1).Scan(c.UserContext()); err != nil {
			return err
		}
		return c.JSON(map[string]any{"id": r.ID, "course_id": r.CourseID, "name": r.Name, "description": r.Description, "is_ai_active": r.IsAIActive,
			"is_analytics_active": r.IsAnalyticsActive, "ai_frequency": r.AIFrequency, "ai_mode": r.AIMode, "created_at": r.CreatedAt})
	})
	return serveBare(server)
}

// openBun opens the database of a site for reading with bun alone.
func openBun(s site) (*bun.DB, error) {
	if path, ok := strings.CutPrefix(s.URL, "sqlite:"); ok {
		lite, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=query_only(ON)&_pragma=cache_size(-16000)")
		if err != nil {
			return nil, err
		}
		lite.SetMaxOpenConns(4)
		lite.SetMaxIdleConns(4)
		return bun.NewDB(lite, sqlitedialect.New()), nil
	}
	cfg, err := pgxpool.ParseConfig(s.URL)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 20
	// bun's texts are all different: pgx's default would prepare each of them.
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	return bun.NewDB(stdlib.OpenDBFromPool(pool), pgdialect.New()), nil
}

func serveBare(server *fiber.App) (*service, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Listener(ln) }() // it ends with Shutdown
	return &service{addr: ln.Addr().String(), stop: server.Shutdown}, nil
}

const (
	readClients = 16
	readSlice   = 1500 * time.Millisecond
)

// benchRead keeps both servers busy with the same number of clients, in turn.
func benchRead(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.read(kind); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) read(kind string) error {
	db, err := l.database(kind)
	if err != nil {
		return err
	}
	c, err := db.newClass(l.ctx, 100, false)
	if err != nil {
		return err
	}
	f := &figure{name: "read a room, signed in, time per request", db: kind, unit: "us", aim: aim{ratioAtMost, 1.5},
		note: fmt.Sprintf("%d clients, busy", readClients)}
	readRoom := load{c.people[:readClients], readSlice, func(k *httpClient, _ int) error {
		_, err := k.do(http.MethodGet, "/api/v1/rooms/"+c.room, "", http.StatusOK)
		return err
	}}
	err = l.beside(db, roleRoute, db.site(), func(ours, bare *process) error {
		return l.inTurn(ours, bare, readRoom, func(got, floor pace) {
			f.got, f.floor = append(f.got, microseconds(got.each)), append(f.floor, microseconds(floor.each))
			f.cpu, f.floorCPU = append(f.cpu, got.cpu), append(f.floorCPU, floor.cpu)
		})
	})
	if err != nil {
		return err
	}
	l.table.add(f)
	return nil
}

// httpClient is one kept connection. It does less work of its own than net/http's client.
type httpClient struct {
	conn net.Conn
	in   *bufio.Reader
	head string
}

func dialHTTP(ctx context.Context, addr string, p person) (*httpClient, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &httpClient{conn, bufio.NewReader(conn), "Host: " + addr + "\r\nAuthorization: Bearer " + p.token + "\r\n"}, nil
}

// do sends one request. Its answer must have the given status.
func (k *httpClient) do(method, path, body string, status int) (text []byte, err error) {
	head := method + " " + path + " HTTP/1.1\r\n" + k.head
	if body != "" {
		head += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	if _, err := io.WriteString(k.conn, head+"\r\n"+body); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if text, err = io.ReadAll(res.Body); err == nil && res.StatusCode != status {
		err = fmt.Errorf("%s %s: %s %.200s", method, path, res.Status, text)
	}
	return text, err
}
