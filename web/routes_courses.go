package web

import "github.com/coagent-studio/coagent/app"

func (s *Server) courseRoutes() {
	const tag = "Courses"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/courses/", "createCourse", s.createCourse,
		route{tag: tag, summary: "Make a course", role: app.ActCreateCourse, errors: []int{conflict}})
	add(s, get, v1+"/courses/", "listCourses", s.courses,
		route{tag: tag, summary: "List the courses that the caller can open"})
	add(s, get, v1+"/courses/{course_id}", "getCourse", s.course,
		route{tag: tag, summary: "Show a course", errors: known})
	add(s, put, v1+"/courses/{course_id}", "updateCourse", s.updateCourse,
		route{tag: tag, summary: "Change what is sent of a course", errors: edited})
	add(s, del, v1+"/courses/{course_id}", "deleteCourse", s.deleteCourse,
		route{tag: tag, summary: "Delete a course with its rooms and all that is in them", errors: edited})
	add(s, post, v1+"/courses/{course_id}/enroll", "enrol", s.enrol,
		route{tag: tag, summary: "Take somebody into a course", errors: edited})
	add(s, post, v1+"/courses/{course_id}/members/import", "importMembers", s.importMembers,
		route{tag: tag, summary: "Take a class list into a course, CSV of 1 MiB and 2000 people at most; makes the " +
			"accounts that are missing",
			form: listForm(), upload: true, errors: edited})
	add(s, get, v1+"/courses/{course_id}/members", "listMembers", s.members,
		route{tag: tag, summary: "List the people of a course", errors: known})
	add(s, put, v1+"/courses/{course_id}/members/{user_id}", "changeMember", s.changeMember,
		route{tag: tag, summary: "Give a member of a course another role", errors: known})
	add(s, del, v1+"/courses/{course_id}/members/{user_id}", "removeMember", s.removeMember,
		route{tag: tag, summary: "Take somebody out of a course and its rooms", errors: known})
	add(s, post, v1+"/courses/{course_id}/transfer", "transferCourse", s.transferCourse,
		route{tag: tag, summary: "Make somebody else the owner of a course; the old owner stays as a teacher",
			errors: edited})
}

// joiningRoutes registers the ways into a course: join codes and invitations.
func (s *Server) joiningRoutes() {
	const tag = "Courses"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/courses/{course_id}/join-code", "getJoinCode", s.joinCode,
		route{tag: tag, summary: "Show the code by which students join a course", errors: known})
	add(s, put, v1+"/courses/{course_id}/join-code", "setJoinCode", s.setJoinCode,
		route{tag: tag, summary: "Make a join code, or a new one in place of the old", errors: edited})
	add(s, del, v1+"/courses/{course_id}/join-code", "deleteJoinCode", s.deleteJoinCode,
		route{tag: tag, summary: "Remove the join code", status: gone, errors: known})
	add(s, post, v1+"/courses/join", "joinCourse", s.joinCourse,
		route{tag: tag, summary: "Join a course as a student with its code", errors: []int{missing, conflict, limited}})
	add(s, post, v1+"/courses/{course_id}/invitations", "invite", s.invite,
		route{tag: tag, summary: "Make an invitation link; its token is shown this once", errors: edited})
	add(s, get, v1+"/courses/{course_id}/invitations", "listInvitations", s.invitations,
		route{tag: tag, summary: "List a course's invitation links, newest first", errors: known})
	add(s, del, v1+"/courses/{course_id}/invitations/{invitation_id}", "deleteInvitation", s.deleteInvitation,
		route{tag: tag, summary: "Take an invitation link back", status: gone, errors: known})
	add(s, post, v1+"/courses/accept-invitation", "acceptInvitation", s.acceptInvitation,
		route{tag: tag, summary: "Join a course with the token of an invitation link", errors: edited})
}

func (s *Server) announcementRoutes() {
	const tag = "Courses"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/announcements/", "announce", s.announce,
		route{tag: tag, summary: "Tell something to all members of a course", errors: edited})
	add(s, get, v1+"/announcements/", "listAnnouncements", s.announcements,
		route{tag: tag, summary: "List a course's announcements, newest first", errors: known})
	add(s, put, v1+"/announcements/{announcement_id}", "updateAnnouncement", s.updateAnnouncement,
		route{tag: tag, summary: "Change what is sent of an announcement", errors: edited})
	add(s, del, v1+"/announcements/{announcement_id}", "deleteAnnouncement", s.deleteAnnouncement,
		route{tag: tag, summary: "Take an announcement back", status: gone, errors: known})
}

func (s *Server) reportRoutes() {
	const tag = "Analytics"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, post, v1+"/analytics/{course_id}/generate", "generateReport", s.generateReport,
		route{tag: tag, summary: "Have the analytics agent report on every room of a course that has lines; answers when " +
			"the report is done, or with one in state running after a while",
			large: manyBytes, patient: true, errors: []int{rejected, missing, conflict, limited}})
	add(s, get, v1+"/analytics/{course_id}", "listReports", s.reports,
		route{tag: tag, summary: "List the reports on a course, newest first", errors: known})
	add(s, get, v1+"/analytics/{course_id}/reports/{report_id}", "getReport", s.report,
		route{tag: tag, summary: "Show a report and how far it is", large: manyBytes, errors: known})
	add(s, put, v1+"/analytics/{course_id}/reports/{report_id}", "updateReport", s.updateReport,
		route{tag: tag, summary: "Change what is sent of a finished report", large: manyBytes, errors: edited})
	add(s, del, v1+"/analytics/{course_id}/reports/{report_id}", "deleteReport", s.deleteReport,
		route{tag: tag, summary: "Delete a report; one that is being written is given up", status: gone, errors: known})
}
