"""The public names: said here once, by groups, for users, type checkers and `registry` alike.

A new public name is one line under the comment of its group, `from <where it lives> import name as
name`; the reference pages of the site follow.
"""

# fit
from mlpool.models import fit as fit
from mlpool.models import lm as lm
from mlpool.models import glm as glm
from mlpool.models import lmer as lmer
from mlpool.models import glmer as glmer
from mlpool.models import gls as gls
from mlpool.models import lme as lme
from mlpool.models import mmrm as mmrm
from mlpool.engine.types import Control as Control
from mlpool.sources import scan as scan

# look inside
from mlpool.models import fixef as fixef
from mlpool.models import ranef as ranef
from mlpool.models import coef as coef
from mlpool.models import vcov as vcov
from mlpool.models import VarCorr as VarCorr
from mlpool.models import standard_error as standard_error
from mlpool.models import p_value as p_value
from mlpool.models import get_parameters as get_parameters

# R's and lme4's other extractors
from mlpool.models import AIC as AIC
from mlpool.models import BIC as BIC
from mlpool.models import logLik as logLik
from mlpool.models import sigma as sigma
from mlpool.models import nobs as nobs
from mlpool.models import predict as predict
from mlpool.models import fitted as fitted
from mlpool.models import resid as resid
from mlpool.models import residuals as residuals
from mlpool.models import deviance as deviance
from mlpool.models import df_residual as df_residual
from mlpool.models import hatvalues as hatvalues
from mlpool.checks import all_fit as all_fit
from mlpool.checks import cooks_distance as cooks_distance
from mlpool.checks import dfbeta as dfbeta
from mlpool.checks import dfbetas as dfbetas
from mlpool.checks import influence as influence
from mlpool.models import weights as weights
from mlpool.models import family as family
from mlpool import formula as formula
from mlpool.models import terms as terms
from mlpool.models import model_frame as model_frame
from mlpool.models import ngrps as ngrps
from mlpool.models import rePCA as rePCA
from mlpool.models import isSingular as isSingular
from mlpool.models import isREML as isREML
from mlpool.models import getME as getME
from mlpool.r_spellings import r_spelling as r_spelling

# again
from mlpool.refits.simulate import simulate as simulate
from mlpool.refits.refit import refit as refit
from mlpool.refits.refit import update as update
from mlpool.files import load_model as load_model

# intervals
from mlpool.intervals import confint as confint
from mlpool.intervals import profile as profile
from mlpool.intervals import Profile as Profile
from mlpool.intervals import bootstrap as bootstrap
from mlpool.intervals import Bootstrap as Bootstrap
from mlpool.intervals import bootstrap_parameters as bootstrap_parameters

# tables
from mlpool.parameters import model_parameters as model_parameters
from mlpool import parameters as parameters
from mlpool.parameters import compare_parameters as compare_parameters
from mlpool.parameters import standardize_parameters as standardize_parameters
from mlpool.summaries import summary as summary
from mlpool.summaries import summary_table as summary_table
from mlpool.summaries import display as display
from mlpool.broom import tidy as tidy
from mlpool.broom import glance as glance
from mlpool.broom import augment as augment

# three poolings of one question
from mlpool.pooling import compare_pooling as compare_pooling
from mlpool.pooling import PoolingComparison as PoolingComparison
from mlpool.pooling import lm_list as lm_list

# tests that hold with few clusters
from mlpool.robust import coef_test as coef_test
from mlpool.robust import wald_test as wald_test
from mlpool.robust import wild_bootstrap as wild_bootstrap

# compare terms, models, hypotheses
from mlpool.comparisons import anova as anova
from mlpool.comparisons import test_likelihoodratio as test_likelihoodratio
from mlpool.comparisons import ranova as ranova
from mlpool.comparisons import drop1 as drop1
from mlpool.comparisons import linear_hypothesis as linear_hypothesis
from mlpool.comparisons import p_adjust as p_adjust
from mlpool.comparisons import eta_squared as eta_squared
from mlpool.comparisons import omega_squared as omega_squared
from mlpool.comparisons import epsilon_squared as epsilon_squared

# how good a model is
from mlpool.performance import icc as icc
from mlpool.performance import r2 as r2
from mlpool.performance import get_variance as get_variance
from mlpool.performance import reliability as reliability
from mlpool.performance import model_performance as model_performance
from mlpool import performance as performance
from mlpool.performance import compare_performance as compare_performance

# in words
from mlpool.reporting import report as report

# what a model assumes
from mlpool.checks import check_singularity as check_singularity
from mlpool.checks import check_convergence as check_convergence
from mlpool.checks import check_heteroscedasticity as check_heteroscedasticity
from mlpool.checks import check_normality as check_normality
from mlpool.checks import check_outliers as check_outliers
from mlpool.checks import check_collinearity as check_collinearity
from mlpool.checks import check_autocorrelation as check_autocorrelation
from mlpool.checks import ACF as ACF
from mlpool.checks import Variogram as Variogram
from mlpool.checks import check_overdispersion as check_overdispersion
from mlpool.checks import check_zeroinflation as check_zeroinflation
from mlpool.checks import check_heterogeneity_bias as check_heterogeneity_bias

# look
from mlpool.plots import plot as plot
from mlpool.plots import check_model as check_model
from mlpool.plots import plot_shrinkage as plot_shrinkage
from mlpool.plots import plot_icc as plot_icc
from mlpool.plots import theme_mlpool as theme_mlpool

# answers
from mlpool.estimates import estimate_means as estimate_means
from mlpool.estimates import estimate_contrasts as estimate_contrasts
from mlpool.estimates import estimate_slopes as estimate_slopes
from mlpool.estimates import estimate_relation as estimate_relation
from mlpool.estimates import estimate_expectation as estimate_expectation
from mlpool.estimates import estimate_link as estimate_link
from mlpool.estimates import estimate_prediction as estimate_prediction
from mlpool.estimates import estimate_grouplevel as estimate_grouplevel
from mlpool.estimates import emmeans as emmeans
from mlpool.estimates import pairs as pairs
from mlpool.estimates import emtrends as emtrends
from mlpool.estimates import contrast as contrast
from mlpool.estimates import regrid as regrid
from mlpool.estimates import joint_tests as joint_tests

# data
from mlpool.datasets import load_data as load_data
from mlpool.datasets import datasets as datasets
from mlpool.frames import factor as factor
from mlpool.formula.design import model_matrix as model_matrix

# simulate and teach
from mlpool.teaching import simulate_clusters as simulate_clusters
from mlpool.teaching import simulate_reversal as simulate_reversal
from mlpool.teaching import simple_random_sample as simple_random_sample
from mlpool.teaching import two_stage_sample as two_stage_sample
from mlpool.teaching import sampling_study as sampling_study
from mlpool.teaching import coverage_study as coverage_study
from mlpool.teaching import type_one_error_study as type_one_error_study
from mlpool.teaching import design_effect_study as design_effect_study
from mlpool.teaching import simulate_power as simulate_power

# prepare and describe data, arithmetic of pooling
from mlpool.transform import demean as demean
from mlpool.transform import degroup as degroup
from mlpool.transform import center as center
from mlpool.transform import standardize as standardize
from mlpool.transform import describe_distribution as describe_distribution
from mlpool.transform import data_codebook as data_codebook
from mlpool.transform import table_one as table_one
from mlpool.transform import shrinkage as shrinkage
from mlpool.transform import pooling_estimate as pooling_estimate
from mlpool.transform import precision_weighted_mean as precision_weighted_mean
from mlpool.transform import design_effect as design_effect
from mlpool.transform import deft as deft
from mlpool.transform import effective_n as effective_n
from mlpool.transform import equivalent_n as equivalent_n
from mlpool.transform import variance_ratio as variance_ratio
from mlpool.transform import se_pooling as se_pooling

# errors and warnings
from mlpool.errors import MlpoolError as MlpoolError
from mlpool.errors import FormulaError as FormulaError
from mlpool.errors import DataError as DataError
from mlpool.errors import ColumnNotFoundError as ColumnNotFoundError
from mlpool.errors import NotSupportedError as NotSupportedError
from mlpool.errors import OptionError as OptionError
from mlpool.errors import FitError as FitError
from mlpool.errors import ModelFileError as ModelFileError
from mlpool.errors import MlpoolWarning as MlpoolWarning
from mlpool.errors import ConvergenceWarning as ConvergenceWarning
from mlpool.errors import SingularFitWarning as SingularFitWarning
from mlpool.errors import RankDeficiencyWarning as RankDeficiencyWarning
from mlpool.errors import MissingDataWarning as MissingDataWarning
from mlpool.errors import FewClustersWarning as FewClustersWarning
from mlpool.errors import ScalingWarning as ScalingWarning
from mlpool.errors import ExtrapolationWarning as ExtrapolationWarning

__version__: str
