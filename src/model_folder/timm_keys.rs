//! Every key of a `config.json` that timm writes, and what becomes of it here.
//!
//! timm 1.0.31 writes the keys of `save_config_for_hf` (`timm/models/_hub.py`) to the root, the fields of
//! `PretrainedCfg` (`timm/models/_pretrained.py`) to `pretrained_cfg`, and to `model_args` the arguments with
//! which `create_model` was called (`get_model_args` in `timm/models/_input.py`): any argument of the network's
//! constructor. An argument that changes the network is honored, or refused by its name and value: a network
//! that is almost the right one returns wrong probabilities.

use serde_json::Value;

use super::section::{Section, excerpt};
use crate::error::Result;
use crate::zoo;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is read by `config.rs`.
    Honored,
    /// It changes nothing in inference.
    Harmless,
    /// It changes the network: only these values, as JSON, are what the zoo builds.
    Only(&'static [&'static str]),
    /// It changes the network, which cannot be built with any value of it.
    Refused,
}
use Role::{Harmless, Honored, Only, Refused};

/// The root's keys.
const ROOT: &[(&str, Role)] = &[
    ("architecture", Honored),
    ("num_classes", Honored),
    ("num_features", Harmless),
    ("global_pool", Honored),
    ("label_names", Honored),
    ("labels", Honored),
    ("label_descriptions", Honored),
    ("model_args", Honored),
    ("pretrained_cfg", Honored),
    // Not timm's keys.
    ("heads", Honored),
    ("outputs", Harmless),
];

/// The keys of `pretrained_cfg`.
const PRETRAINED_CFG: &[(&str, Role)] = &[
    ("url", Harmless),
    ("file", Harmless),
    ("state_dict", Harmless),
    ("hf_hub_id", Harmless),
    ("hf_hub_filename", Harmless),
    ("source", Harmless),
    ("architecture", Honored),
    ("tag", Harmless),
    // Of files in a format other than safetensors.
    ("custom_load", Harmless),
    ("input_size", Honored),
    // Recommendations that timm does not follow unless asked to.
    ("test_input_size", Harmless),
    ("min_input_size", Harmless),
    ("test_crop_pct", Harmless),
    ("test_pool_size", Harmless),
    ("fixed_input_size", Harmless),
    ("interpolation", Honored),
    ("crop_pct", Honored),
    ("crop_mode", Honored),
    // Not one of timm's keys.
    ("channel_order", Honored),
    ("mean", Honored),
    ("std", Honored),
    ("num_classes", Honored),
    ("global_pool", Honored),
    // The file has this many classes more than the network. timm's exports do not.
    ("label_offset", Only(&["0"])),
    ("label_names", Honored),
    ("labels", Honored),
    ("label_descriptions", Honored),
    ("pool_size", Harmless),
    ("first_conv", Harmless),
    ("classifier", Harmless),
    ("license", Harmless),
    ("description", Harmless),
    ("origin_url", Harmless),
    ("paper_name", Harmless),
    ("paper_ids", Harmless),
    ("notes", Harmless),
];

/// The keys of `model_args`: the arguments of all constructors of the zoo's families in timm (ResNet, DenseNet,
/// VGG, EfficientNet with MobileNet, MobileNetV3, GhostNet, RegNet, ByobNet with RepVGG, InceptionV3, ConvNeXt), and of
/// the functions that call these.
const MODEL_ARGS: &[(&str, Role)] = &[
    ("num_classes", Honored),
    ("in_chans", Honored),
    ("global_pool", Honored),
    ("act_layer", Honored),
    ("bn_eps", Honored),
    ("norm_eps", Honored),
    ("pad_type", Honored),
    ("output_stride", Honored),
    // Training.
    ("drop_rate", Harmless),
    ("drop_path_rate", Harmless),
    ("drop_block_rate", Harmless),
    ("proj_drop_rate", Harmless),
    ("bn_momentum", Harmless),
    ("zero_init_last", Harmless),
    ("drop_block_size", Harmless),
    ("ls_init_value", Harmless),
    ("head_init_scale", Harmless),
    // A second output.
    ("aux_logits", Harmless),
    ("memory_efficient", Harmless),
    // How timm makes and loads a network.
    ("pretrained", Harmless),
    ("pretrained_strict", Harmless),
    ("pretrained_cfg", Harmless),
    ("pretrained_cfg_overlay", Harmless),
    ("checkpoint_path", Harmless),
    ("cache_dir", Harmless),
    ("scriptable", Harmless),
    ("exportable", Harmless),
    ("no_jit", Harmless),
    ("device", Harmless),
    ("dtype", Harmless),
    // Where the stem is anti-aliased, which `aa_layer` says.
    ("aa_stem_only", Harmless),
    // Whether ConvNeXt's pointwise convolutions are stored as such.
    ("conv_mlp", Harmless),
    // Of networks with attention.
    ("img_size", Harmless),
    // Of blocks with attention, which none of the networks has.
    ("layer_scale_init_value", Harmless),
    // Layers of other kinds or sizes.
    ("features_only", Only(&["false"])),
    ("pruned", Only(&["false"])),
    ("stem_type", Only(&["\"\""])),
    ("replace_stem_pool", Only(&["false"])),
    ("avg_down", Only(&["false"])),
    ("down_kernel_size", Only(&["1"])),
    ("block_reduce_first", Only(&["1"])),
    ("stem_width", Only(&["64"])),
    ("bn_size", Only(&["4"])),
    ("mlp_ratio", Only(&["1"])),
    ("stem_kernel_size", Only(&["3"])),
    ("aa_layer", Only(&["\"\""])),
    ("group_min_ratio", Refused),
    ("linear_out", Only(&["false"])),
    ("preact", Only(&["false"])),
    ("bottle_ratio", Only(&["1"])),
    ("width_factor", Only(&["1"])),
    ("patch_size", Only(&["4"])),
    ("kernel_sizes", Only(&["7", "[7, 7, 7, 7]"])),
    ("head_norm_first", Only(&["false"])),
    ("conv_bias", Only(&["true"])),
    ("use_grn", Only(&["false"])),
    ("se_from_exp", Only(&["true"])),
    ("head_bias", Only(&["true"])),
    ("head_norm", Only(&["false"])),
    ("rw", Only(&["false"])),
    ("channel_divisor", Only(&["8"])),
    ("version", Only(&["\"v1\""])),
    ("cfgs", Refused),
    ("width", Refused),
    ("block", Refused),
    ("layers", Refused),
    ("depth", Refused),
    ("w0", Refused),
    ("wa", Refused),
    ("wm", Refused),
    ("se_ratio", Refused),
    ("downsample", Refused),
    ("blocks", Refused),
    ("stem_pool", Refused),
    ("stem_chs", Refused),
    ("fixed_input_size", Refused),
    ("head_hidden_size", Refused),
    ("head_type", Refused),
    ("attn_layer", Refused),
    ("attn_kwargs", Refused),
    ("self_attn_layer", Refused),
    ("self_attn_kwargs", Refused),
    ("block_kwargs", Refused),
    ("depths", Refused),
    ("dims", Refused),
    ("cardinality", Refused),
    ("base_width", Refused),
    ("channels", Refused),
    ("norm_layer", Refused),
    ("block_args", Refused),
    ("growth_rate", Refused),
    ("block_config", Refused),
    ("cfg", Refused),
    ("conv_layer", Refused),
    ("num_features", Refused),
    ("stem_size", Refused),
    ("fix_stem", Refused),
    ("fix_stem_head", Refused),
    ("head_conv", Refused),
    ("se_layer", Refused),
    ("round_chs_fn", Refused),
    ("group_size", Refused),
    ("channel_multiplier", Refused),
    ("depth_multiplier", Refused),
    ("out_indices", Refused),
    ("feature_cfg", Refused),
    ("feature_cls", Refused),
    ("model_cfg", Refused),
    ("kwargs_filter", Refused),
    ("pretrained_filter_fn", Refused),
];

/// Refuses keys that stand for another network than the zoo can build as `architecture`. Keys with the value null
/// count as missing, as in timm.
///
/// # Errors
/// [`crate::Error::File`] with the key and its value.
pub(super) fn check(
    architecture: &str,
    root: Section<'_>,
    cfg: Section<'_>,
    args: Option<Section<'_>>,
) -> Result<()> {
    let network = zoo::find_in_timm(architecture).ok();
    // Other keys at these places, such as those of other programs, are no arguments of a network.
    for (section, keys) in [(root, ROOT), (cfg, PRETRAINED_CFG)] {
        for (key, value) in section.entries() {
            check_value(section, key, value, role(keys, key).unwrap_or(Harmless))?;
        }
    }
    let Some(args) = args else {
        return Ok(());
    };
    for (key, value) in args.entries() {
        let Some(mut role) = role(MODEL_ARGS, key) else {
            let expected = "no such key, which may change the network,";
            let found = format!("{}; remove it if it changes nothing", excerpt(value));
            return Err(args.fault_found(key, expected, &found));
        };
        if matches!(role, Only(_)) && network.is_some_and(|n| !n.has_timms_default(key)) {
            role = Refused;
        }
        check_value(args, key, value, role)?;
    }
    Ok(())
}

fn role(keys: &[(&str, Role)], key: &str) -> Option<Role> {
    let found = keys.iter().find(|(known, _)| *known == key);
    found.map(|&(_, role)| role)
}

fn check_value(section: Section<'_>, key: &str, value: &Value, role: Role) -> Result<()> {
    match role {
        Honored | Harmless => Ok(()),
        Only(values) if values.iter().any(|text| equals(value, text)) => Ok(()),
        Only(values) => {
            let expected = format!("only {} can be built and was", values.join(" or "));
            Err(section.fault(key, &expected, value))
        }
        Refused => Err(section.fault(
            key,
            "the network's own layers, which this argument changes, were",
            value,
        )),
    }
}

/// Whether a value is the one that `text` is the JSON of. Numbers are equal in either notation.
fn equals(value: &Value, text: &str) -> bool {
    match value.as_f64() {
        Some(number) => text.parse() == Ok(number),
        None => serde_json::from_str::<Value>(text).is_ok_and(|known| known == *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What timm 1.0.31 may write, family by family: the parameters of the constructors (`ResNet`, `DenseNet`,
    /// `VGG`, `EfficientNet`, `MobileNetV3`, `GhostNet`, `RegNet`, `ByobNet`, `InceptionV3`, `ConvNeXt`), of the
    /// functions that make them, and what `build_model_with_cfg` and
    /// `create_model` take out of the arguments.
    const WRITTEN: [(&str, &str); 14] = [
        (
            "resnet.py",
            "block layers num_classes in_chans output_stride global_pool cardinality base_width stem_width \
             stem_type replace_stem_pool block_reduce_first down_kernel_size avg_down channels act_layer \
             norm_layer aa_layer drop_rate drop_path_rate drop_block_rate zero_init_last block_args device dtype",
        ),
        (
            "densenet.py",
            "growth_rate block_config num_classes in_chans global_pool bn_size stem_type act_layer norm_layer \
             aa_layer drop_rate proj_drop_rate memory_efficient aa_stem_only device dtype",
        ),
        (
            "vgg.py",
            "cfg num_classes in_chans output_stride mlp_ratio act_layer conv_layer norm_layer global_pool \
             drop_rate device dtype",
        ),
        (
            "efficientnet.py",
            "block_args num_classes num_features in_chans stem_size stem_kernel_size fix_stem output_stride \
             pad_type act_layer norm_layer aa_layer se_layer round_chs_fn drop_rate drop_path_rate global_pool \
             device dtype",
        ),
        (
            "efficientnet.py, _gen_mobilenet_v1, _gen_mobilenet_v2, _gen_efficientnet_lite",
            "channel_multiplier depth_multiplier group_size fix_stem_head head_conv bn_eps bn_momentum \
             act_layer norm_layer",
        ),
        (
            "regnet.py, and the fields of RegNetCfg",
            "in_chans num_classes output_stride global_pool drop_rate drop_path_rate zero_init_last device dtype \
             depth w0 wa wm group_size bottle_ratio se_ratio group_min_ratio stem_width downsample linear_out preact \
             num_features act_layer norm_layer",
        ),
        (
            "byobnet.py, and the fields of ByoModelCfg",
            "num_classes in_chans global_pool output_stride img_size drop_rate drop_block_rate drop_block_size \
             drop_path_rate zero_init_last device dtype blocks downsample stem_type stem_pool stem_chs width_factor \
             num_features fixed_input_size act_layer norm_layer aa_layer head_hidden_size head_type attn_layer \
             attn_kwargs self_attn_layer self_attn_kwargs block_kwargs",
        ),
        (
            "inception_v3.py",
            "num_classes in_chans drop_rate global_pool aux_logits norm_layer norm_eps act_layer device dtype",
        ),
        (
            "convnext.py",
            "in_chans num_classes global_pool output_stride depths dims kernel_sizes ls_init_value stem_type \
             patch_size head_init_scale head_norm_first head_hidden_size conv_mlp conv_bias use_grn act_layer \
             norm_layer norm_eps drop_rate drop_path_rate device dtype",
        ),
        (
            "efficientnet.py, _gen_mnasnet_a1, _gen_mnasnet_b1, _gen_efficientnet, _gen_efficientnetv2_base, \
             _gen_efficientnetv2_s",
            "channel_multiplier depth_multiplier channel_divisor group_size rw bn_eps bn_momentum act_layer \
             norm_layer",
        ),
        (
            "mobilenetv3.py",
            "block_args num_classes in_chans stem_size fix_stem num_features head_bias head_norm pad_type act_layer \
             norm_layer aa_layer se_layer se_from_exp round_chs_fn drop_rate drop_path_rate layer_scale_init_value \
             global_pool device dtype",
        ),
        (
            "mobilenetv3.py, _gen_mobilenet_v3",
            "channel_multiplier depth_multiplier group_size bn_eps bn_momentum act_layer",
        ),
        (
            "ghostnet.py",
            "cfgs num_classes width in_chans output_stride global_pool drop_rate version device dtype",
        ),
        (
            "_builder.py, build_model_with_cfg; _factory.py, create_model",
            "pruned features_only out_indices feature_cls feature_cfg model_cfg kwargs_filter \
             pretrained_filter_fn pretrained_strict pretrained pretrained_cfg pretrained_cfg_overlay \
             checkpoint_path cache_dir scriptable exportable no_jit",
        ),
    ];

    #[test]
    fn every_argument_of_timms_constructors_has_a_role() {
        for (source, names) in WRITTEN {
            for name in names.split_whitespace() {
                assert!(role(MODEL_ARGS, name).is_some(), "{source}: {name}");
            }
        }
        // And the table has no other.
        let written: Vec<&str> = WRITTEN
            .iter()
            .flat_map(|(_, n)| n.split_whitespace())
            .collect();
        for (key, _) in MODEL_ARGS {
            assert!(written.contains(key), "{key}");
        }
    }

    /// `save_config_for_hf` and `PretrainedCfg` of timm 1.0.31.
    #[test]
    fn every_other_key_that_timm_writes_has_a_role() {
        let root = "architecture num_classes num_features global_pool label_names label_descriptions \
                    model_args pretrained_cfg";
        let cfg = "url file state_dict hf_hub_id hf_hub_filename source architecture tag custom_load \
                   input_size test_input_size min_input_size fixed_input_size interpolation crop_pct \
                   test_crop_pct crop_mode mean std num_classes label_offset label_names label_descriptions \
                   pool_size test_pool_size first_conv classifier license description origin_url paper_name \
                   paper_ids notes";
        for (keys, names) in [(ROOT, root), (PRETRAINED_CFG, cfg)] {
            for name in names.split_whitespace() {
                assert!(role(keys, name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn no_key_is_listed_twice() {
        for keys in [ROOT, PRETRAINED_CFG, MODEL_ARGS] {
            for (i, (key, _)) in keys.iter().enumerate() {
                assert!(keys[..i].iter().all(|(other, _)| other != key), "{key}");
            }
        }
    }
}
