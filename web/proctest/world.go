//go:build unix

package proctest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

const password = "correct horse battery staple"

// Plan says what a World has.
type Plan struct {
	Students int
	Rooms    int
	// Agent is an API key. With it every room gets an agent that answers each message
	// without an answer. Empty means no agents.
	Agent string
	// Provider is the agent's provider, openai when empty.
	Provider string
}

// World is a course with people, rooms and agents, made through the API.
type World struct {
	Admin, Teacher *Person
	Students       []*Person
	CourseID       string
	Rooms          []string
	AgentIDs       []string // one for each room, empty without agents
}

// Populate makes a World through the nodes; everybody is signed in.
func (s *Site) Populate(nodes *Nodes, plan Plan) *World {
	s.T.Helper()
	if out, code := s.RunEnv([]string{"COAGENT_PASSWORD=" + password}, "seed-admin", "root@school.example"); code != 0 {
		s.T.Fatalf("seed-admin: %s", out)
	}
	w := &World{Admin: &Person{Email: "root@school.example", Password: password, nodes: nodes}}
	if err := w.Admin.SignIn(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
	w.Teacher = s.person(w.Admin, nodes, "teacher", "Tess Teacher")
	w.Students = make([]*Person, plan.Students)
	var made sync.WaitGroup
	for i := range w.Students {
		made.Go(func() { w.Students[i] = s.person(w.Admin, nodes, "student", fmt.Sprintf("Student %d", i+1)) })
	}
	made.Wait()
	if s.T.Failed() {
		s.T.FailNow()
	}
	var course struct{ ID string }
	w.Teacher.Call(s.T, http.MethodPost, "/api/v1/courses/", map[string]string{"title": "Physics"}, &course)
	w.CourseID = course.ID
	for _, p := range w.Students {
		w.Teacher.Call(s.T, http.MethodPost, "/api/v1/courses/"+course.ID+"/enroll", map[string]string{"user_id": p.ID}, nil)
	}
	for i := range plan.Rooms {
		w.Rooms = append(w.Rooms, s.room(w, fmt.Sprintf("Room %d", i+1)))
	}
	if plan.Agent != "" {
		s.agents(w, plan)
	}
	return w
}

// person makes an account and signs it in. It may run in parallel with itself.
func (s *Site) person(admin *Person, nodes *Nodes, role, name string) *Person {
	p := &Person{Name: name, Email: strings.ReplaceAll(strings.ToLower(name), " ", ".") + "@school.example", Password: password, nodes: nodes}
	a, err := admin.Try(s.T.Context(), http.MethodPost, "/api/v1/users/", map[string]string{
		"email": p.Email, "full_name": name, "role": role, "password": password})
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("%d %s", a.Status, a.Body)
	}
	if err == nil {
		var user struct{ ID string }
		err = a.Decode(&user)
		p.ID = user.ID
	}
	if err == nil {
		err = p.SignIn(s.T.Context())
	}
	if err != nil {
		s.T.Errorf("make %s: %v", name, err)
	}
	return p
}

func (s *Site) room(w *World, name string) string {
	s.T.Helper()
	var room struct{ ID string }
	w.Teacher.Call(s.T, http.MethodPost, "/api/v1/rooms/", map[string]any{
		"name": name, "course_id": w.CourseID, "ai_frequency": 1, "ai_mode": "both"}, &room)
	return room.ID
}

// agents puts one agent into each room.
func (s *Site) agents(w *World, plan Plan) {
	s.T.Helper()
	provider := plan.Provider
	if provider == "" {
		provider = "openai"
	}
	var org, project struct{ ID string }
	w.Teacher.Call(s.T, http.MethodPost, "/api/v1/organizations", map[string]string{"name": "School"}, &org)
	w.Teacher.Call(s.T, http.MethodPost, "/api/v1/projects", map[string]string{"name": "Agents", "organization_id": org.ID}, &project)
	for i, room := range w.Rooms {
		// The circuit breaker works by key: a room in trouble must not stop another room.
		key := plan.Agent
		if i > 0 {
			key = fmt.Sprintf("%s-%d", plan.Agent, i+1)
		}
		var agent struct{ ID string }
		w.Teacher.Call(s.T, http.MethodPost, "/api/v1/agents/"+project.ID, map[string]any{
			"name": fmt.Sprintf("Galileo %d", i+1), "type": "teacher", "system_prompt": "You teach physics.",
			"model_provider": provider, "model": "test-model", "api_key": key, "is_active": true}, &agent)
		w.Teacher.Call(s.T, http.MethodPost, "/api/v1/rooms/"+room+"/agents/"+agent.ID, nil, nil)
		w.AgentIDs = append(w.AgentIDs, agent.ID)
	}
}
