//! How much memory this process may have, and how much it has.
//!
//! The bound is the control group's: `memory.max` (version 2) or `memory.limit_in_bytes` (version 1), the smallest on the way to the
//! root, as the kernel enforces them all. Inside a container the own group is often the root of what can be seen.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::unistd::{SysconfVar, sysconf};

/// Where control groups are mounted (systemd's file hierarchy, and every container's).
const MOUNTED: &str = "/sys/fs/cgroup";

/// A version 1 group without a bound shows the largest number of whole pages; anything as large is none.
const NO_BOUND: u64 = 1 << 62;

/// The bound of this process's control groups; None where there is none.
pub fn bound() -> Option<u64> {
    bound_in(Path::new(MOUNTED), &fs::read_to_string("/proc/self/cgroup").ok()?)
}

/// What this process occupies now; None where the system does not tell.
pub fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

fn bound_in(mounted: &Path, groups: &str) -> Option<u64> {
    // Each line is "number:controllers:path"; version 2 has number 0 and no controllers (cgroups(7)).
    let bounds = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if controllers.is_empty() {
            smallest(mounted, path, "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            smallest(&mounted.join("memory"), path, "memory.limit_in_bytes")
        } else {
            None
        }
    });
    bounds.min()
}

/// The smallest bound of a group and those above it.
fn smallest(mounted: &Path, group: &str, file: &str) -> Option<u64> {
    let group: PathBuf = mounted.join(group.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|group| group.starts_with(mounted));
    groups
        .filter_map(|group| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok())
        .filter(|b| *b < NO_BOUND)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a scratch folder");
            fs::write(path, text).expect("a scratch file");
        }
        folder
    }

    #[test]
    fn the_smallest_bound_on_the_way_to_the_root_counts_in_either_version() {
        let v2 = mounted(&[("pod/memory.max", "500000\n"), ("pod/box/memory.max", "max\n")]);
        assert_eq!(bound_in(v2.path(), "0::/pod/box\n"), Some(500_000));
        assert_eq!(bound_in(v2.path(), "0::/elsewhere\n"), None);
        let none = "9223372036854771712\n";
        let v1 = mounted(&[("memory/a/memory.limit_in_bytes", "7000\n"), ("memory/memory.limit_in_bytes", none)]);
        assert_eq!(bound_in(v1.path(), "5:cpu,cpuacct:/a\n4:memory:/a\n0::/\n"), Some(7000));
        assert_eq!(bound_in(v1.path(), "4:memory:/\n"), None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let container = mounted(&[("memory.max", "268435456\n")]);
        assert_eq!(bound_in(container.path(), "0::/\n"), Some(256 << 20));
    }

    #[test]
    fn this_process_occupies_something() {
        assert!(resident().expect("the system tells") > 1 << 20);
    }
}
