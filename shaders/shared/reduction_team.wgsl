// The invocations that reduce at the least cost: a subgroup, or where there are none, a workgroup.
struct Team {
    // Which of its members the invocation is, and of how many.
    member: u32,
    members: u32,
    // Which of the workgroup's teams it is, and of how many.
    team: u32,
    teams: u32,
}
