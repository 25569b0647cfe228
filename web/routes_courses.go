package web

import "github.com/coagent-studio/coagent/app"

func (s *Server) courseRoutes() {
	const tag = "Courses"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/courses/", "createCourse", s.createCourse,
		route{tag: tag, summary: "Make a course",
			description: "For teachers and admins. The caller becomes its owner.",
			example:     `{"title":"Physics 101","description":"Light and colour"}`,
			role:        app.ActCreateCourse, errors: []int{conflict}})
	add(s, get, v1+"/courses/", "listCourses", s.courses,
		route{tag: tag, summary: "List the caller's courses",
			description: "For everybody: those owned or enrolled in; for admins all."})
	add(s, get, v1+"/courses/{course_id}", "getCourse", s.course,
		route{tag: tag, summary: "Show a course",
			description: "For the people of the course.",
			errors:      known})
	add(s, put, v1+"/courses/{course_id}", "updateCourse", s.updateCourse,
		route{tag: tag, summary: "Change a course",
			description: "For its teachers.",
			example:     `{"description":"Light, colour and sound"}`,
			errors:      edited})
	add(s, del, v1+"/courses/{course_id}", "deleteCourse", s.deleteCourse,
		route{tag: tag, summary: "Delete a course with its rooms and all that is in them",
			description: "For its owner and admins.",
			errors:      edited})
	add(s, post, v1+"/courses/{course_id}/enroll", "enrol", s.enrol,
		route{tag: tag, summary: "Take somebody into a course",
			description: "For the course's staff; assistants take in students alone.",
			example:     `{"user_email":"ada@example.org","role":"student"}`,
			errors:      edited})
	add(s, post, v1+"/courses/{course_id}/members/import", "importMembers", s.importMembers,
		route{tag: tag, summary: "Take a class list into a course: CSV of 1 MiB and 2000 people at most",
			description: "For the course's staff. Makes the accounts that are missing.",
			form:        listForm(), upload: true, errors: edited})
	add(s, get, v1+"/courses/{course_id}/members", "listMembers", s.members,
		route{tag: tag, summary: "List the people of a course",
			description: "For the people of the course.",
			errors:      known})
	add(s, put, v1+"/courses/{course_id}/members/{user_id}", "changeMember", s.changeMember,
		route{tag: tag, summary: "Give a member of a course another role",
			description: "For the course's staff. Assistants cannot make staff.",
			example:     `{"role":"ta"}`,
			errors:      edited})
	add(s, del, v1+"/courses/{course_id}/members/{user_id}", "removeMember", s.removeMember,
		route{tag: tag, summary: "Take somebody out of a course and its rooms",
			description: "For the course's staff. The owner stays, and what was said. With account the account goes too, if it was " +
				"made on the way in and has nothing outside the caller's courses.",
			errors: known})
	add(s, post, v1+"/courses/{course_id}/transfer", "transferCourse", s.transferCourse,
		route{tag: tag, summary: "Make somebody else the owner of a course; the old one stays as a teacher",
			description: "For its owner and admins.",
			example:     `{"user_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90"}`,
			errors:      edited})
}

// joiningRoutes registers the ways into a course: join codes and invitations.
func (s *Server) joiningRoutes() {
	const tag = "Courses"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/courses/{course_id}/join-code", "getJoinCode", s.joinCode,
		route{tag: tag, summary: "Show the code by which students join a course",
			description: "For the course's staff. 404 while there is none.",
			errors:      known})
	add(s, put, v1+"/courses/{course_id}/join-code", "setJoinCode", s.setJoinCode,
		route{tag: tag, summary: "Make a join code in place of the old",
			description: "For the course's staff. The old one is refused.",
			errors:      edited})
	add(s, del, v1+"/courses/{course_id}/join-code", "deleteJoinCode", s.deleteJoinCode,
		route{tag: tag, summary: "Remove the join code",
			description: "For the course's staff. Who came by it stays.",
			status:      gone, errors: edited})
	add(s, patch, v1+"/courses/{course_id}/join-code", "updateJoinCode", s.updateJoinCode,
		route{tag: tag, summary: "Close the join code, open it again, or say whether it makes accounts",
			description: "For the course's staff.",
			example:     `{"open":false}`,
			errors:      edited})
	add(s, post, v1+"/courses/join", "joinCourse", s.joinCourse,
		route{tag: tag, summary: "Join a course with its code or an invitation",
			description: "For everybody; without a session send account: it is made and signed in. Wrong codes and new accounts " +
				"are bounded.",
			example:  `{"code":"KF7-QXM"}`,
			visitors: true, errors: []int{missing, conflict, limited}})
	add(s, get, v1+"/courses/{course_id}/arrivals", "listArrivals", s.arrivals,
		route{tag: tag, summary: "List who came into a course with a code or an invitation, latest first",
			description: "For the course's staff.",
			errors:      known})
	add(s, post, v1+"/courses/{course_id}/invitations", "invite", s.invite,
		route{tag: tag, summary: "Make an invitation link; its token is shown this once",
			description: "For the course's staff; assistants invite students alone. Who has the link gets the role.",
			example:     `{"role":"student","max_uses":30,"expires_in_hours":48}`,
			errors:      edited})
	add(s, get, v1+"/courses/{course_id}/invitations", "listInvitations", s.invitations,
		route{tag: tag, summary: "List a course's invitation links, newest first",
			description: "For the course's staff. Without their tokens.",
			errors:      known})
	add(s, del, v1+"/courses/{course_id}/invitations/{invitation_id}", "deleteInvitation", s.deleteInvitation,
		route{tag: tag, summary: "Take an invitation link back",
			description: "For the course's staff. Who came by it stays.",
			status:      gone, errors: edited})
	add(s, post, v1+"/courses/accept-invitation", "acceptInvitation", s.acceptInvitation,
		route{tag: tag, summary: "Join a course with the token of an invitation link",
			description: "For everybody who is signed in. The caller gets the role of the invitation.",
			example:     `{"token":"4Zt0mR2bq8"}`,
			errors:      edited})
}

func (s *Server) announcementRoutes() {
	const tag = "Courses"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/announcements/", "announce", s.announce,
		route{tag: tag, summary: "Tell something to all members of a course",
			description: "For the course's staff.",
			example:     `{"course_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","title":"Exam","content":"On Friday at nine."}`,
			errors:      edited})
	add(s, get, v1+"/announcements/", "listAnnouncements", s.announcements,
		route{tag: tag, summary: "List a course's announcements, newest first",
			description: "For the people of the course.",
			errors:      known})
	add(s, put, v1+"/announcements/{announcement_id}", "updateAnnouncement", s.updateAnnouncement,
		route{tag: tag, summary: "Change an announcement",
			description: "For the course's staff.",
			example:     `{"content":"On Friday at ten."}`,
			errors:      edited})
	add(s, del, v1+"/announcements/{announcement_id}", "deleteAnnouncement", s.deleteAnnouncement,
		route{tag: tag, summary: "Take an announcement back",
			description: "For the course's staff.",
			status:      gone, errors: edited})
}

func (s *Server) reportRoutes() {
	const tag = "Analytics"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/analytics/{course_id}/generate", "generateReport", s.generateReport,
		route{tag: tag, summary: "Report on every room of a course that has messages",
			description: "For the course's staff. Answers when the report is done, or after a while with state running. A course " +
				"has one at a time.",
			large: manyBytes, patient: true, errors: []int{rejected, missing, conflict, limited}})
	add(s, get, v1+"/analytics/{course_id}", "listReports", s.reports,
		route{tag: tag, summary: "List the reports on a course, newest first",
			description: "For the course's staff. Without the texts.",
			errors:      known})
	add(s, get, v1+"/analytics/{course_id}/reports/{report_id}", "getReport", s.report,
		route{tag: tag, summary: "Show a report and how far it is",
			description: "For the course's staff. rooms_done of rooms_total are done.",
			large:       manyBytes, errors: known})
	add(s, put, v1+"/analytics/{course_id}/reports/{report_id}", "updateReport", s.updateReport,
		route{tag: tag, summary: "Change a finished report",
			description: "For the course's staff.",
			example:     `{"title":"The first week"}`,
			large:       manyBytes, errors: edited})
	add(s, del, v1+"/analytics/{course_id}/reports/{report_id}", "deleteReport", s.deleteReport,
		route{tag: tag, summary: "Delete a report, or give up one in progress",
			description: "For the course's staff.",
			status:      gone, errors: edited})
}
